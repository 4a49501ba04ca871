"""Conversions of size, pixel format and colour, against computations in floating point."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from streamseg.frame import Colour, Frame, PixelFormat
from streamseg.media.pixels.native import native_of, plane_views
from streamseg.media.pixels.scale import PlaneScaler, RGBScaler, to_format

WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}
COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (220, 200, 30), (128, 128, 128), (0, 0, 0), (255, 255, 255)]


def coded(rgb, matrix, full, depth):
    """Y′CbCr codes of R′G′B′ codes, by ITU-T H.273."""
    red_weight, blue_weight = WEIGHTS[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    differences = (blue - luma) / (2 - 2 * blue_weight), (red - luma) / (2 - 2 * red_weight)
    scale, middle = 2 ** (depth - 8), 2 ** (depth - 1)
    if full:
        top = 2**depth - 1
        return [round(top * luma), *(min(top, round(middle + top * value)) for value in differences)]
    return [round(scale * (16 + 219 * luma)), *(round(scale * (128 + 224 * value)) for value in differences)]


def flat(name, codes, colour, width=64, height=48):
    planar = PixelFormat.parse(name)
    planes = tuple(np.full(s, c, planar.dtype) for s, c in zip(planar.shapes(width, height), codes, strict=True))
    return Frame(planes, planar, 0, Fraction(1, 25), colour)


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv444p12le"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
def test_rgb_has_the_colours_of_the_video(matrix, full, name):
    scaler, depth = RGBScaler(20, 16), PixelFormat.parse(name).depth
    for rgb in COLOURS:
        frame = flat(name, coded(rgb, matrix, full, depth), Colour(matrix, 2 if full else 1))
        got = scaler(frame)
        assert got.shape == (16, 20, 3)
        assert np.abs(got.astype(int) - rgb).max() <= 3, rgb


@pytest.mark.parametrize("size, matrix", [((64, 48), 6), ((1280, 720), 1)])
def test_unspecified_colours_are_interpreted_as_players_do(size, matrix):
    frame = flat("yuv420p", coded((200, 40, 40), matrix, False, 8), Colour(), *size)
    assert np.abs(RGBScaler(16, 16)(frame).astype(int) - (200, 40, 40)).max() <= 3


def test_rgb_shows_the_full_frame_upright():
    frame = flat("yuv444p", (16, 128, 128), Colour(6, 1), 64, 48)
    frame.planes[0][:24, :32] = 235
    got = RGBScaler(16, 12)(frame)
    assert got[:5, :7].min() > 250
    assert got[7:].max() < 5
    assert got[:, 9:].max() < 5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(131, 77), (7, 5), (64, 64), (63, 640), (320, 320)])
def test_constant_planes_stay_constant_at_any_size(dtype, size):
    scaler, top = PlaneScaler(), int(np.iinfo(dtype).max)
    for value in (0, 1, top // 3, top - 1, top):
        scaled = scaler(np.full((64, 64), value, dtype), *size)
        assert scaled.shape == size[::-1]
        assert scaled.dtype == dtype
        assert np.all(scaled == value)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_scaled_planes_are_not_shifted(dtype):
    """A ramp stays a ramp, without shift or overshoot."""
    top = int(np.iinfo(dtype).max)
    ramp = np.rint(np.linspace(0, top, 40)[None].repeat(30, 0)).astype(dtype)
    for width in (20, 80, 160):
        scaled = PlaneScaler()(ramp, width, 30).astype(float)
        centres = np.clip((np.arange(width) + 0.5) * 40 / width - 0.5, 0, 39) * top / 39
        assert np.abs(scaled - centres).max() <= 0.02 * top
        assert np.all(np.diff(scaled[0]) >= 0)


def test_planes_that_are_not_contiguous_can_be_scaled():
    plane = np.arange(80 * 60, dtype=np.uint16).reshape(60, 80)
    scaler = PlaneScaler()
    assert np.array_equal(scaler(plane[::2, ::2], 20, 15), scaler(plane[::2, ::2].copy(), 20, 15))


@pytest.mark.parametrize("before, after", [((6, 1), (1, 1)), ((1, 1), (1, 2)), ((1, 2), (9, 1)), ((9, 1), (6, 2))])
def test_matrix_and_range_are_converted(before, after):
    for rgb in COLOURS:
        frame = flat("yuv444p10le", coded(rgb, before[0], before[1] == 2, 10), Colour(*before))
        planar = PixelFormat.parse("yuv420p10le")
        native = to_format(native_of(frame), planar, 48, 32, frame.colour, Colour(*after))
        wanted = coded(rgb, after[0], after[1] == 2, 10)
        for plane, code in zip(plane_views(native, planar), wanted, strict=True):
            assert np.abs(plane.astype(int) - code).max() <= 4


PQ, HLG = 16, 18


@pytest.mark.parametrize("source, transfer, white", [("gbrp", PQ, 0.5807), ("yuv420p", HLG, 0.75)])
def test_white_is_converted_to_the_reference_white_of_hdr_and_black_stays_black(source, transfer, white):
    """ITU-R BT.2408: 203 cd/m², 58 % of PQ, 75 % of HLG."""
    if source == "gbrp":
        frame = flat("gbrp", (255, 255, 255), Colour.srgb())
        for plane in frame.planes:
            plane[:, 32:] = 0
    else:
        frame = flat("yuv420p", (235, 128, 128), Colour(1, 1, 1, 1))
        frame.planes[0][:, 32:] = 16
    planar = PixelFormat.parse("yuv420p10le")
    native = to_format(native_of(frame), planar, 64, 48, frame.colour, Colour(9, 1, 9, transfer))
    luma, blue, red = plane_views(native, planar)
    assert abs(float(luma[:, :28].mean()) - (64 + 876 * white)) < 12
    assert np.abs(luma[:, 36:].astype(int) - 64).max() <= 2
    assert abs(float(blue.mean()) - 512) < 6
    assert abs(float(red.mean()) - 512) < 6
