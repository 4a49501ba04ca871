"""Cut-outs of frames whose true matte is known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from streamseg.frame import Frame, PixelFormat
from streamseg.matting.arrays import box_mean, resize
from streamseg.matting.compositing.alpha import subsample
from streamseg.matting.edges.cutout import EdgeRefiner
from streamseg.matting.temporal.filter import grid_shape

FOREGROUND, BACKGROUND = (0.75, 0.35, 0.65), (0.25, 0.55, 0.4)
FORMATS = ["yuv420p", "yuv420p10le", "yuv422p", "yuv444p", "gbrp"]
SIZES = [(1280, 720), (720, 1280), (961, 541)]


def disc(width, height):
    """True alpha of a disc whose edge is six pixels wide."""
    distance = np.hypot(np.arange(width) - 0.5 * width, (np.arange(height) - 0.45 * height)[:, None])
    return np.clip((0.3 * min(width, height) - distance) / 6 + 0.5, 0, 1).astype(np.float32)


def composite(truth, name, foreground=FOREGROUND, background=BACKGROUND):
    """A frame of the foreground colour over the background colour (both in [0, 1]); its own alpha, if any, is 1."""
    form = PixelFormat.parse(name)
    codes = np.rint(truth * 65535).astype(np.uint16)
    chroma = subsample(codes, form.shift_x, form.shift_y) / 65535
    alphas = (truth, chroma, chroma)
    planes = [a * f + (1 - a) * b for a, f, b in zip(alphas, foreground, background, strict=True)]
    planes = [np.rint(plane * form.maximum).astype(form.dtype) for plane in planes]
    if form.alpha:
        planes.append(np.full(truth.shape, form.maximum, form.dtype))
    return Frame(tuple(planes), form, 7, Fraction(1, 25))


def coarse(truth, radius=5, scale=1.0):
    """The matte on the grid as a network might give it: blurred, and too large where ``scale`` is above 1."""
    padded = np.pad(truth, 2 * radius, mode="edge")
    blurred = np.clip(box_mean(padded, radius)[2 * radius : -2 * radius, 2 * radius : -2 * radius] * scale, 0, 1)
    rows, columns = truth.shape
    return resize(blurred, *grid_shape(columns, rows))


def uncertain_band(frame, alpha):
    """The matte without refinement, float32 [rows, columns], and where it is uncertain."""
    unrefined = EdgeRefiner(edges=False)(frame, alpha).matte.as_float()
    return unrefined, (unrefined > 0.02) & (unrefined < 0.98)


@pytest.mark.parametrize("scale", [1.0, 1.4])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FORMATS)
def test_refinement_halves_the_error_of_the_matte(name, size, scale):
    truth = disc(*size)
    frame, alpha = composite(truth, name), coarse(truth, scale=scale)
    unrefined, band = uncertain_band(frame, alpha)
    matte = EdgeRefiner()(frame, alpha).matte
    assert matte.alpha.dtype == (np.uint8 if frame.format.depth == 8 else np.uint16)
    error, before = np.abs(matte.as_float() - truth)[band].mean(), np.abs(unrefined - truth)[band].mean()
    assert error < 0.5 * before


@pytest.mark.parametrize("name", FORMATS)
def test_the_old_background_is_removed_from_the_edge(name):
    truth = disc(1280, 720)
    frame = composite(truth, name)
    cutout = EdgeRefiner()(frame, coarse(truth))
    form = frame.format
    for plane, original, colour, shift in zip(
        cutout.frame.planes, frame.planes, FOREGROUND, ((0, 0), *[(form.shift_x, form.shift_y)] * 2), strict=True
    ):
        edge = truth[:: 1 << shift[1], :: 1 << shift[0]]
        edge = (edge > 0.2) & (edge < 0.9)
        target = colour * form.maximum
        assert np.abs(plane - target)[edge].mean() < 0.4 * np.abs(original - target)[edge].mean()


@pytest.mark.parametrize("size", [(640, 360), (361, 641)])
@pytest.mark.parametrize("name", FORMATS)
def test_nothing_outside_the_uncertain_band_changes(name, size):
    truth = disc(*size)
    frame, alpha = noisy(composite(truth, name)), coarse(truth)
    unrefined, band = uncertain_band(frame, alpha)
    before = [plane.copy() for plane in frame.planes]
    cutout = EdgeRefiner()(frame, alpha)
    assert 0 < band.mean() < 0.2
    assert np.array_equal(cutout.matte.as_float()[~band], unrefined[~band])
    assert np.array_equal(cutout.frame.planes[0][~band], frame.planes[0][~band])
    changed = subsample(np.where(band, 65535, 0).astype(np.uint16), frame.format.shift_x, frame.format.shift_y) > 0
    for plane, original in zip(cutout.frame.planes[1:], frame.planes[1:], strict=True):
        assert np.array_equal(plane[~changed], original[~changed])
    assert all(np.array_equal(plane, original) for plane, original in zip(frame.planes, before, strict=True))
    assert (cutout.frame.pts, cutout.frame.format) == (frame.pts, frame.format)


def noisy(frame):
    """The frame with noise of up to 4 codes."""
    rng = np.random.default_rng(3)
    planes = []
    for plane in frame.planes:
        noise = rng.integers(-4, 5, plane.shape)
        planes.append(np.clip(plane.astype(int) + noise, 0, frame.format.maximum).astype(plane.dtype))
    return Frame(tuple(planes), frame.format, frame.pts, frame.time_base)


@pytest.mark.parametrize("name", FORMATS)
def test_planes_are_unchanged_where_the_matte_is_1(name):
    truth = disc(641, 361)
    frame = noisy(composite(truth, name))
    cutout = EdgeRefiner()(frame, coarse(truth))
    opaque = cutout.matte.alpha == cutout.matte.maximum
    assert opaque.mean() > 0.1
    assert np.array_equal(cutout.frame.planes[0][opaque], frame.planes[0][opaque])
    chroma = subsample(cutout.matte.alpha, frame.format.shift_x, frame.format.shift_y) == cutout.matte.maximum
    for plane, original in zip(cutout.frame.planes[1:], frame.planes[1:], strict=True):
        assert np.array_equal(plane[chroma], original[chroma])


def test_where_both_colours_are_equal_the_matte_is_not_refined():
    truth = disc(640, 360)
    frame, alpha = composite(truth, "yuv420p", FOREGROUND, FOREGROUND), coarse(truth)
    cutout, unrefined = EdgeRefiner()(frame, alpha), EdgeRefiner(edges=False)(frame, alpha)
    assert np.abs(cutout.matte.as_float() - unrefined.matte.as_float()).max() < 0.01
    assert all(
        np.array_equal(plane, original) for plane, original in zip(cutout.frame.planes, frame.planes, strict=True)
    )


@pytest.mark.parametrize("name", ["yuv444p", "gbrp"])
def test_a_rotated_frame_gives_the_rotated_cut_out(name):
    """No edge is shifted to one side."""
    truth = disc(640, 360)
    ramp = np.linspace(0.1, 0.5, 640)
    frame, alpha = composite(truth, name, background=(ramp, ramp[::-1], 0.4)), coarse(truth)
    planes = tuple(np.ascontiguousarray(plane[::-1, ::-1]) for plane in frame.planes)
    rotated = Frame(planes, frame.format, 7, frame.time_base)
    cutout, other = EdgeRefiner()(frame, alpha), EdgeRefiner()(rotated, np.ascontiguousarray(alpha[::-1, ::-1]))
    band = uncertain_band(frame, alpha)[1]
    assert np.abs(cutout.matte.as_float() - other.matte.as_float()[::-1, ::-1])[band].mean() < 0.002


def test_without_refinement_the_matte_is_only_upsampled():
    truth = disc(1280, 720)
    frame, alpha = composite(truth, "yuv420p"), coarse(truth)
    cutout = EdgeRefiner(edges=False)(frame, alpha)
    assert cutout.frame is frame
    limited = np.clip((alpha - 0.1) / 0.85, 0, 1).astype(np.float32)
    assert np.abs(cutout.matte.as_float() - resize(limited, 720, 1280)).max() < 0.02


@pytest.mark.parametrize("value, code", [(0.0, 0), (1.0, 65535)])
def test_a_matte_without_uncertain_pixels_leaves_the_frame_unchanged(value, code):
    frame = composite(disc(322, 182), "yuv420p10le")
    cutout = EdgeRefiner()(frame, np.full((182, 322), value, np.float32))
    assert np.all(cutout.matte.alpha == code)
    assert all(
        np.array_equal(plane, original) for plane, original in zip(cutout.frame.planes, frame.planes, strict=True)
    )


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("name", ["yuva420p", "yuva444p10le", "gbrap"])
def test_the_matte_is_multiplied_by_the_frames_own_alpha(name, edges):
    truth = disc(640, 360)
    frame, alpha = composite(truth, name), coarse(truth)
    opaque = EdgeRefiner(edges)(frame, alpha)
    assert np.array_equal(opaque.frame.planes[3], frame.planes[3])
    frame.planes[3][:, :320], frame.planes[3][:, 320:] = 0, frame.format.maximum // 3
    matte = EdgeRefiner(edges)(frame, alpha).matte.as_float()
    assert not matte[:, :320].any()
    assert np.abs(matte - opaque.matte.as_float() / 3)[:, 320:].max() < 0.01


@pytest.mark.parametrize("size", [(2, 2), (17, 9), (16, 90), (101, 3)])
def test_tiny_frames(size):
    frame = composite(np.ones(size[::-1], np.float32), "yuv420p")
    rows, columns = grid_shape(*size)
    alpha = np.ascontiguousarray(np.broadcast_to(np.linspace(0, 1, columns, dtype=np.float32), (rows, columns)))
    cutout = EdgeRefiner()(frame, alpha)
    assert cutout.matte.alpha.shape == size[::-1]
    assert 0.3 < cutout.matte.as_float().mean() < 0.7


def test_one_refiner_serves_frames_of_several_sizes():
    refiner = EdgeRefiner()
    for size in (*SIZES, SIZES[0]):
        truth = disc(*size)
        frame, alpha = composite(truth, "yuv420p"), coarse(truth)
        expected = EdgeRefiner()(frame, alpha)
        assert np.array_equal(refiner(frame, alpha).matte.alpha, expected.matte.alpha)
