"""Alpha planes at other depths, at the size of chroma, and multiplied."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.frame import Matte
from streamseg.matting.compositing.alpha import alpha_at_depth, multiply_alpha, subsample


def block_means(alpha, step_x, step_y):
    rows, columns = alpha.shape
    padded = np.pad(alpha.astype(np.int64), ((0, -rows % step_y), (0, -columns % step_x)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // step_y, step_y, padded.shape[1] // step_x, step_x)
    total, count = blocks.sum((1, 3)), step_x * step_y
    return (2 * total + count) // (2 * count)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (1, 1), (5, 1), (33, 31)])
@pytest.mark.parametrize("shifts", [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (2, 2)])
def test_subsampled_alpha_is_the_rounded_mean_of_each_block(dtype, shape, shifts):
    alpha = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    small = subsample(alpha, *shifts)
    assert small.dtype == dtype
    assert np.array_equal(small, block_means(alpha, 1 << shifts[0], 1 << shifts[1]))


@pytest.mark.parametrize("maximum", [255, 65535])
def test_constant_alpha_stays_exactly_0_or_1_when_subsampled(maximum):
    alpha = np.full((9, 9), maximum, np.uint8 if maximum == 255 else np.uint16)
    assert np.all(subsample(alpha, 1, 1) == maximum)
    assert np.all(subsample(alpha - maximum, 2, 2) == 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("depth", [8, 9, 10, 12, 16])
def test_alpha_at_another_depth_is_rounded_and_monotonic(dtype, depth):
    maximum, target = int(np.iinfo(dtype).max), 2**depth - 1
    codes = alpha_at_depth(np.arange(maximum + 1, dtype=dtype)[None], depth)[0].astype(np.int64)
    assert (codes[0], codes[-1]) == (0, target)
    assert np.all(np.diff(codes) >= 0)
    assert np.abs(codes - np.arange(maximum + 1) * (target / maximum)).max() <= 0.5
    assert alpha_at_depth(np.zeros((1, 1), dtype), depth).dtype == (np.uint8 if depth == 8 else np.uint16)


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_matte_multiplied_by_the_alpha_of_the_source(depth):
    dtype = np.uint8 if depth == 8 else np.uint16
    maximum, largest = int(np.iinfo(dtype).max), 2**depth - 1
    rng = np.random.default_rng(2)
    alpha = rng.integers(0, maximum + 1, (40, 30)).astype(dtype)
    source_alpha = rng.integers(0, largest + 1, (40, 30)).astype(dtype)
    source_alpha[0], source_alpha[1], alpha[2] = largest, 0, maximum
    product = multiply_alpha(Matte(alpha), source_alpha, depth).alpha
    assert product.dtype == dtype
    assert np.array_equal(product[0], alpha[0])
    assert not product[1].any()
    assert np.abs(product - alpha.astype(float) * source_alpha / largest).max() <= 0.51
