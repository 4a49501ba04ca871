"""Planes downscaled and upscaled."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.resampling import downscale, upscale
from streamseg.media.pixels.scale import PlaneScaler


@pytest.mark.parametrize("dtype, maximum", [(np.uint8, 255), (np.uint16, 1023), (np.uint16, 65535)])
@pytest.mark.parametrize("size", [(320, 180), (214, 121), (700, 400)])
def test_downscaling_matches_swscale(size, dtype, maximum):
    y, x = np.mgrid[0:241, 0:427]
    waves = 0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 13) + 0.15 * (x > y)
    plane = np.rint(waves * maximum).astype(dtype)
    expected = PlaneScaler()(plane, *size).astype(float) * (255 / maximum)
    difference = np.abs(downscale(plane, *size, maximum) - expected)
    # swscale limits its weights, which shows at the step edge.
    assert difference.mean() < 0.3 and difference.max() < 5


@pytest.mark.parametrize("size", [(320, 180), (31, 17), (2000, 1100)])
def test_flat_planes_stay_flat(size):
    for level in (0, 1, 77, 255):
        assert np.all(downscale(np.full((720, 1280), level, np.uint8), *size, 255) == level)


def test_downscaling_a_rotated_plane_gives_the_rotated_result():
    plane = np.random.default_rng(2).integers(0, 256, (90, 161)).astype(np.uint8)
    rotated = downscale(np.ascontiguousarray(plane[::-1, ::-1]), 40, 30, 255)[::-1, ::-1]
    assert np.abs(rotated - downscale(plane, 40, 30, 255)).max() <= 1


@pytest.mark.parametrize("maximum", [255, 1023, 65535])
def test_a_smooth_plane_survives_downscaling_and_upscaling(maximum):
    y, x = np.mgrid[0:240, 0:426]
    waves = 0.5 + 0.4 * np.sin(x / 60) * np.cos(y / 50)
    plane = np.rint(waves * maximum).astype(np.uint8 if maximum == 255 else np.uint16)
    restored = upscale(downscale(plane, 142, 80, maximum), 426, 240, maximum)
    assert restored.dtype == plane.dtype and restored.flags.c_contiguous
    assert np.abs(restored.astype(int) - plane.astype(int)).max() <= 0.012 * maximum


def test_upscaling_keeps_the_range_and_clips_above_it():
    ramp = np.linspace(0, 255, 40, dtype=np.float32)[None].repeat(9, 0)
    for maximum in (255, 4095):
        plane = upscale(ramp, 400, 90, maximum)
        assert plane.min() == 0 and plane.max() == maximum
        assert np.all(np.diff(plane[5].astype(int)) >= 0)
    assert np.all(upscale(ramp + 300, 10, 10, 1023) == 1023)
