"""The over operator on planes, against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from streamseg.frame import Frame, Matte, PixelFormat
from streamseg.matting.compositing.alpha import subsample
from streamseg.matting.compositing.over import blend, composite_into


def exact(foreground, background, alpha, maximum):
    """round((f·a + b·(m − a)) / m); ties never occur, because the maximum codes are odd."""
    total = foreground.astype(np.int64) * alpha + background.astype(np.int64) * (maximum - alpha.astype(np.int64))
    return (2 * total + maximum) // (2 * maximum)


def test_8_bit_blending_is_rounded_exactly_for_every_alpha_and_level():
    levels = np.arange(256, dtype=np.uint8)
    foreground, alpha = (array.astype(np.uint8) for array in np.meshgrid(levels, levels))
    out = np.empty_like(foreground)
    for level in range(256):
        background = np.full_like(foreground, level)
        blend(foreground, background, alpha, out)
        assert np.array_equal(out, exact(foreground, background, alpha, 255)), level


@pytest.mark.parametrize("depth", [10, 12, 16])
def test_16_bit_blending_is_rounded_exactly(depth):
    rng = np.random.default_rng(depth)
    foreground, background = rng.integers(0, 2**depth, (2, 333, 257), np.uint16)
    alpha = rng.integers(0, 65536, (333, 257), np.uint16)
    foreground[:40], background[40:80], alpha[::7] = 2**depth - 1, 2**depth - 1, 65535
    out = np.empty_like(foreground)
    blend(foreground, background, alpha, out)
    assert np.array_equal(out, exact(foreground, background, alpha, 65535))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (31, 5), (32, 8), (33, 7), (97, 101)])
def test_alpha_1_and_0_give_exactly_the_foreground_and_the_background(dtype, shape):
    rng = np.random.default_rng(5)
    maximum = int(np.iinfo(dtype).max)
    foreground, background = rng.integers(0, maximum + 1, (2, *shape), dtype)
    alpha = rng.choice(np.array([0, maximum // 3, maximum], dtype), shape)
    alpha[: shape[0] // 2] = 0
    out = np.empty_like(foreground)
    blend(foreground, background, alpha, out)
    assert np.array_equal(out[alpha == maximum], foreground[alpha == maximum])
    assert np.array_equal(out[alpha == 0], background[alpha == 0])
    assert np.array_equal(out, exact(foreground, background, alpha, maximum))


@pytest.mark.parametrize("value", [0, 255])
def test_constant_alpha(value):
    rng = np.random.default_rng(6)
    foreground, background = rng.integers(0, 256, (2, 70, 50), np.uint8)
    out = np.empty_like(foreground)
    blend(foreground, background, np.full((70, 50), value, np.uint8), out)
    assert np.array_equal(out, foreground if value else background)


def random_frame(form, width, height, seed):
    rng = np.random.default_rng(seed)
    planes = tuple(rng.integers(0, form.maximum + 1, shape).astype(form.dtype) for shape in form.shapes(width, height))
    return Frame(planes, form, 0, Fraction(1, 25))


@pytest.mark.parametrize("size", [(64, 48), (33, 35), (65, 31)])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv444p", "yuv440p", "yuv411p", "yuv410p", "yuv444p16le"])
def test_a_composite_uses_subsampled_alpha_for_chroma(name, size):
    form = PixelFormat.parse(name)
    frame, background, out = (random_frame(form, *size, seed) for seed in (1, 2, 3))
    dtype = np.uint8 if form.depth == 8 else np.uint16
    maximum = int(np.iinfo(dtype).max)
    alpha = np.random.default_rng(4).integers(0, maximum + 1, size[::-1]).astype(dtype)
    alpha[8:20, 8:24], alpha[20:30] = maximum, 0
    composite_into(out, frame, Matte(alpha), background.planes)
    chroma = subsample(alpha, form.shift_x, form.shift_y)
    alphas = (alpha, chroma, chroma)
    for target, *blended in zip(out.planes, frame.planes, background.planes, alphas, strict=True):
        assert np.array_equal(target, exact(*blended, maximum))
    assert np.array_equal(out.planes[0][8:20, 8:24], frame.planes[0][8:20, 8:24])
    assert np.array_equal(out.planes[0][20:30], background.planes[0][20:30])


def test_a_source_with_alpha_is_composited_into_an_opaque_frame():
    form = PixelFormat.parse("yuva420p")
    frame, background, out = random_frame(form, 33, 17, 1), *(random_frame(form.opaque(), 33, 17, s) for s in (2, 3))
    composite_into(out, frame, Matte(np.full((17, 33), 255, np.uint8)), background.planes)
    assert all(np.array_equal(written, plane) for written, plane in zip(out.planes, frame.planes[:3], strict=True))
