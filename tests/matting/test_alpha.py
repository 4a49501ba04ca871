"""Mattes at other depths and sizes."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.frame import Matte
from streamseg.matting.alpha import alpha_at_depth, subsample, times


def block_means(alpha, step_x, step_y):
    rows, columns = alpha.shape
    padded = np.pad(alpha.astype(np.int64), ((0, -rows % step_y), (0, -columns % step_x)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // step_y, step_y, padded.shape[1] // step_x, step_x)
    total, count = blocks.sum((1, 3)), step_x * step_y
    return (2 * total + count) // (2 * count)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (1, 1), (5, 1), (33, 31)])
@pytest.mark.parametrize("shifts", [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (2, 2)])
def test_chroma_alpha_is_the_rounded_mean_of_its_block(dtype, shape, shifts):
    alpha = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    small = subsample(alpha, *shifts)
    assert small.dtype == dtype
    assert np.array_equal(small, block_means(alpha, 1 << shifts[0], 1 << shifts[1]))


@pytest.mark.parametrize("top", [255, 65535])
def test_chroma_alpha_is_full_or_empty_only_where_all_of_it_is(top):
    alpha = np.full((9, 9), top, np.uint8 if top == 255 else np.uint16)
    assert np.all(subsample(alpha, 1, 1) == top)
    assert np.all(subsample(alpha - top, 2, 2) == 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("depth", [8, 9, 10, 12, 16])
def test_alpha_at_another_depth(dtype, depth):
    top, target = int(np.iinfo(dtype).max), 2**depth - 1
    codes = alpha_at_depth(np.arange(top + 1, dtype=dtype)[None], depth)[0].astype(np.int64)
    assert (codes[0], codes[-1]) == (0, target)
    assert np.all(np.diff(codes) >= 0)
    assert np.abs(codes - np.arange(top + 1) * (target / top)).max() <= 0.5
    assert alpha_at_depth(np.zeros((1, 1), dtype), depth).dtype == (np.uint8 if depth == 8 else np.uint16)


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_a_matte_times_the_alpha_of_the_source(depth):
    dtype = np.uint8 if depth == 8 else np.uint16
    top, largest = int(np.iinfo(dtype).max), 2**depth - 1
    rng = np.random.default_rng(2)
    alpha, own = rng.integers(0, top + 1, (40, 30)).astype(dtype), rng.integers(0, largest + 1, (40, 30)).astype(dtype)
    own[0], own[1], alpha[2] = largest, 0, top
    product = times(Matte(alpha), own, depth).alpha
    assert product.dtype == dtype
    assert np.array_equal(product[0], alpha[0])
    assert not product[1].any()
    assert np.abs(product - alpha.astype(float) * own / largest).max() <= 0.51
