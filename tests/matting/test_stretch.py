"""Planes at other sizes."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.stretch import shrink, stretch
from streamseg.media.scale import PlaneScaler


@pytest.mark.parametrize("dtype, maximum", [(np.uint8, 255), (np.uint16, 1023), (np.uint16, 65535)])
@pytest.mark.parametrize("size", [(320, 180), (214, 121), (700, 400)])
def test_it_is_swscales_within_a_code(size, dtype, maximum):
    y, x = np.mgrid[0:241, 0:427]
    waves = 0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 13) + 0.15 * (x > y)
    plane = np.rint(waves * maximum).astype(dtype)
    expected = PlaneScaler()(plane, *size).astype(float) * (255 / maximum)
    difference = np.abs(shrink(plane, *size, maximum) - expected)
    # swscale's weights have limits of their own, which show at the step.
    assert difference.mean() < 0.3 and difference.max() < 5


@pytest.mark.parametrize("size", [(320, 180), (31, 17), (2000, 1100)])
def test_flat_planes_stay_flat(size):
    for level in (0, 1, 77, 255):
        assert np.all(shrink(np.full((720, 1280), level, np.uint8), *size, 255) == level)


def test_no_pixel_is_moved_to_one_side():
    plane = np.random.default_rng(2).integers(0, 256, (90, 161)).astype(np.uint8)
    turned = shrink(np.ascontiguousarray(plane[::-1, ::-1]), 40, 30, 255)[::-1, ::-1]
    assert np.abs(turned - shrink(plane, 40, 30, 255)).max() <= 1


@pytest.mark.parametrize("maximum", [255, 1023, 65535])
def test_what_was_made_smaller_and_larger_again_is_as_it_was_where_it_is_smooth(maximum):
    y, x = np.mgrid[0:240, 0:426]
    waves = 0.5 + 0.4 * np.sin(x / 60) * np.cos(y / 50)
    plane = np.rint(waves * maximum).astype(np.uint8 if maximum == 255 else np.uint16)
    again = stretch(shrink(plane, 142, 80, maximum), 426, 240, maximum)
    assert again.dtype == plane.dtype and again.flags.c_contiguous
    assert np.abs(again.astype(int) - plane.astype(int)).max() <= 0.012 * maximum


def test_larger_planes_keep_their_range():
    ramp = np.linspace(0, 255, 40, dtype=np.float32)[None].repeat(9, 0)
    for maximum in (255, 4095):
        plane = stretch(ramp, 400, 90, maximum)
        assert plane.min() == 0 and plane.max() == maximum
        assert np.all(np.diff(plane[5].astype(int)) >= 0)
    assert np.all(stretch(ramp + 300, 10, 10, 1023) == 1023)
