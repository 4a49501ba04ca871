"""Frames with straight alpha, and the matte as a grey frame."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from streamseg.frame import Colour, Frame, Matte, PixelFormat
from streamseg.matting.compositing.alpha import alpha_at_depth
from streamseg.matting.compositing.outputs import cut_out, show_matte
from streamseg.media.pixels.native import native_of, wrap


def native_frame(name, width=48, height=32, colour=None):
    """A frame in a native frame's memory, as a reader gives it."""
    form = PixelFormat.parse(name)
    rng = np.random.default_rng(9)
    low, high = 30 << (form.depth - 8), 220 << (form.depth - 8)
    planes = tuple(rng.integers(low, high, shape).astype(form.dtype) for shape in form.shapes(width, height))
    frame = Frame(planes, form, 77, Fraction(1, 30), colour or Colour(1, 1, 1, 1), Fraction(4, 3))
    return wrap(native_of(frame), 77, Fraction(1, 30), frame.colour, Fraction(4, 3))


def random_matte(frame):
    dtype = np.uint8 if frame.format.depth == 8 else np.uint16
    return Matte(np.random.default_rng(8).integers(0, np.iinfo(dtype).max + 1, frame.planes[0].shape).astype(dtype))


@pytest.mark.parametrize(
    "source, target",
    [
        ("yuv420p", "yuva420p"),
        ("yuva420p", "yuva420p"),
        ("yuv444p", "yuva444p"),
        ("yuv422p10le", "yuva422p10le"),
        ("yuva444p16le", "yuva444p16le"),
        ("yuv444p12le", "yuva444p12le"),
    ],
)
def test_colours_are_unchanged_where_the_format_allows(source, target):
    frame, form = native_frame(source), PixelFormat.parse(target)
    before = [plane.copy() for plane in frame.planes]
    matte = random_matte(frame)
    out = cut_out(frame, matte, form)
    assert (out.format, out.pts, out.sample_aspect_ratio) == (form, 77, Fraction(4, 3))
    for written, original in zip(out.planes[:3], before, strict=False):
        assert np.array_equal(written, original)
    assert np.array_equal(out.planes[3], alpha_at_depth(matte.alpha, form.depth))
    assert all(np.array_equal(plane, original) for plane, original in zip(frame.planes, before, strict=True))


@pytest.mark.parametrize("source, target", [("yuv420p", "yuva444p10le"), ("yuv422p10le", "yuva444p16le")])
def test_luma_is_kept_at_a_higher_bit_depth(source, target):
    frame, form = native_frame(source), PixelFormat.parse(target)
    out = cut_out(frame, random_matte(frame), form)
    expected = frame.planes[0].astype(int) << (form.depth - frame.format.depth)
    assert np.abs(out.planes[0].astype(int) - expected).max() <= 1 << max(0, form.depth - frame.format.depth - 6)


@pytest.mark.parametrize(
    "name, colour_range, black, white, grey",
    [
        ("yuv420p", 1, 16, 235, 128),
        ("yuv420p", 0, 16, 235, 128),
        ("yuv420p", 2, 0, 255, 128),
        ("yuv422p10le", 1, 64, 940, 512),
        ("yuv444p10le", 2, 0, 1023, 512),
        ("yuva420p", 1, 16, 235, 128),
    ],
)
def test_the_matte_as_a_grey_frame(name, colour_range, black, white, grey):
    frame = native_frame(name, 49, 33, Colour(1, colour_range, 1, 1))
    dtype = np.uint8 if frame.format.depth == 8 else np.uint16
    maximum = int(np.iinfo(dtype).max)
    alpha = np.zeros((33, 49), dtype)
    alpha[:, 10:20], alpha[:, 20:] = maximum // 5, maximum
    shown = show_matte(frame, Matte(alpha))
    assert (shown.format, shown.pts, shown.colour) == (frame.format.opaque(), 77, frame.colour)
    luma, blue, red = shown.planes
    assert np.all(luma[:, :10] == black)
    assert np.all(luma[:, 20:] == white)
    assert np.all(np.abs(luma[:, 10:20] - (black + (white - black) / 5)) <= 0.5)
    assert np.all(blue == grey)
    assert np.all(red == grey)
