"""Cut-outs of pictures whose true matte is known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from streamseg.frame import Frame, PixelFormat
from streamseg.matting.alpha import subsample
from streamseg.matting.arrays import box_mean, resize
from streamseg.matting.sharpener import Sharpener
from streamseg.matting.steady import working_size

SUBJECT, BEHIND = (0.75, 0.35, 0.65), (0.25, 0.55, 0.4)
FORMATS = ["yuv420p", "yuv420p10le", "yuv422p", "yuv444p", "gbrp"]
SIZES = [(1280, 720), (720, 1280), (961, 541)]


def disc(width, height):
    """True alpha of a disc whose edge is six pixels wide."""
    distance = np.hypot(np.arange(width) - 0.5 * width, (np.arange(height) - 0.45 * height)[:, None])
    return np.clip((0.3 * min(width, height) - distance) / 6 + 0.5, 0, 1).astype(np.float32)


def composite(truth, name, subject=SUBJECT, behind=BEHIND):
    form = PixelFormat.parse(name)
    codes = np.rint(truth * 65535).astype(np.uint16)
    small = subsample(codes, form.shift_x, form.shift_y) / 65535
    parts = (truth, small, small)
    planes = [a * f + (1 - a) * b for a, f, b in zip(parts, subject, behind, strict=True)]
    planes = [np.rint(plane * form.maximum).astype(form.dtype) for plane in planes]
    if form.alpha:
        planes.append(np.full(truth.shape, form.maximum, form.dtype))
    return Frame(tuple(planes), form, 7, Fraction(1, 25))


def coarse(truth, radius=5, larger=1.0):
    """The matte as a network might give it: blurred, perhaps too large, on the grid."""
    padded = np.pad(truth, 2 * radius, mode="edge")
    blurred = np.clip(box_mean(padded, radius)[2 * radius : -2 * radius, 2 * radius : -2 * radius] * larger, 0, 1)
    rows, columns = truth.shape
    return resize(blurred, *working_size(columns, rows))


def band_of(frame, alpha):
    plain = Sharpener(edges=False)(frame, alpha).matte.as_float()
    return plain, (plain > 0.02) & (plain < 0.98)


@pytest.mark.parametrize("larger", [1.0, 1.4])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FORMATS)
def test_the_matte_is_much_closer_to_the_truth(name, size, larger):
    truth = disc(*size)
    frame, alpha = composite(truth, name), coarse(truth, larger=larger)
    plain, band = band_of(frame, alpha)
    matte = Sharpener()(frame, alpha).matte
    assert matte.alpha.dtype == (np.uint8 if frame.format.depth == 8 else np.uint16)
    error, before = np.abs(matte.as_float() - truth)[band].mean(), np.abs(plain - truth)[band].mean()
    assert error < 0.5 * before


@pytest.mark.parametrize("name", FORMATS)
def test_the_old_background_is_taken_out_of_the_edge(name):
    truth = disc(1280, 720)
    frame = composite(truth, name)
    cut = Sharpener()(frame, coarse(truth))
    form = frame.format
    for plane, own, colour, shift in zip(
        cut.frame.planes, frame.planes, SUBJECT, ((0, 0), *[(form.shift_x, form.shift_y)] * 2), strict=True
    ):
        edge = truth[:: 1 << shift[1], :: 1 << shift[0]]
        edge = (edge > 0.2) & (edge < 0.9)
        target = colour * form.maximum
        assert np.abs(plane - target)[edge].mean() < 0.4 * np.abs(own - target)[edge].mean()


@pytest.mark.parametrize("size", [(640, 360), (361, 641)])
@pytest.mark.parametrize("name", FORMATS)
def test_nothing_outside_of_the_band_changes(name, size):
    truth = disc(*size)
    frame, alpha = noisy(composite(truth, name)), coarse(truth)
    plain, band = band_of(frame, alpha)
    before = [plane.copy() for plane in frame.planes]
    cut = Sharpener()(frame, alpha)
    assert 0 < band.mean() < 0.2
    assert np.array_equal(cut.matte.as_float()[~band], plain[~band])
    assert np.array_equal(cut.frame.planes[0][~band], frame.planes[0][~band])
    touched = subsample(np.where(band, 65535, 0).astype(np.uint16), frame.format.shift_x, frame.format.shift_y) > 0
    for plane, own in zip(cut.frame.planes[1:], frame.planes[1:], strict=True):
        assert np.array_equal(plane[~touched], own[~touched])
    assert all(np.array_equal(plane, was) for plane, was in zip(frame.planes, before, strict=True))
    assert (cut.frame.pts, cut.frame.format) == (frame.pts, frame.format)


def noisy(frame):
    rng = np.random.default_rng(3)
    planes = []
    for plane in frame.planes:
        grain = rng.integers(-4, 5, plane.shape)
        planes.append(np.clip(plane.astype(int) + grain, 0, frame.format.maximum).astype(plane.dtype))
    return Frame(tuple(planes), frame.format, frame.pts, frame.time_base)


@pytest.mark.parametrize("name", FORMATS)
def test_planes_are_the_frames_own_where_the_matte_is_one(name):
    truth = disc(641, 361)
    frame = noisy(composite(truth, name))
    cut = Sharpener()(frame, coarse(truth))
    full = cut.matte.alpha == cut.matte.maximum
    assert full.mean() > 0.1
    assert np.array_equal(cut.frame.planes[0][full], frame.planes[0][full])
    small = subsample(cut.matte.alpha, frame.format.shift_x, frame.format.shift_y) == cut.matte.maximum
    for plane, own in zip(cut.frame.planes[1:], frame.planes[1:], strict=True):
        assert np.array_equal(plane[small], own[small])


def test_a_subject_of_the_backgrounds_colour_keeps_its_matte():
    truth = disc(640, 360)
    frame, alpha = composite(truth, "yuv420p", SUBJECT, SUBJECT), coarse(truth)
    cut, plain = Sharpener()(frame, alpha), Sharpener(edges=False)(frame, alpha)
    assert np.abs(cut.matte.as_float() - plain.matte.as_float()).max() < 0.01
    assert all(np.array_equal(plane, own) for plane, own in zip(cut.frame.planes, frame.planes, strict=True))


@pytest.mark.parametrize("name", ["yuv444p", "gbrp"])
def test_a_turned_frame_gives_the_turned_cut_out(name):
    """No edge is moved to one side."""
    truth = disc(640, 360)
    slope = np.linspace(0.1, 0.5, 640)
    frame, alpha = composite(truth, name, behind=(slope, slope[::-1], 0.4)), coarse(truth)
    turned = tuple(np.ascontiguousarray(plane[::-1, ::-1]) for plane in frame.planes)
    upside_down = Frame(turned, frame.format, 7, frame.time_base)
    cut, other = Sharpener()(frame, alpha), Sharpener()(upside_down, np.ascontiguousarray(alpha[::-1, ::-1]))
    band = band_of(frame, alpha)[1]
    assert np.abs(cut.matte.as_float() - other.matte.as_float()[::-1, ::-1])[band].mean() < 0.002


def test_without_edges_the_matte_is_only_enlarged():
    truth = disc(1280, 720)
    frame, alpha = composite(truth, "yuv420p"), coarse(truth)
    cut = Sharpener(edges=False)(frame, alpha)
    assert cut.frame is frame
    levelled = np.clip((alpha - 0.1) / 0.85, 0, 1).astype(np.float32)
    assert np.abs(cut.matte.as_float() - resize(levelled, 720, 1280)).max() < 0.02


@pytest.mark.parametrize("value, top", [(0.0, 0), (1.0, 65535)])
def test_a_certain_matte_leaves_the_frame_alone(value, top):
    frame = composite(disc(322, 182), "yuv420p10le")
    cut = Sharpener()(frame, np.full((182, 322), value, np.float32))
    assert np.all(cut.matte.alpha == top)
    assert all(np.array_equal(plane, own) for plane, own in zip(cut.frame.planes, frame.planes, strict=True))


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("name", ["yuva420p", "yuva444p10le", "gbrap"])
def test_the_frames_own_alpha_is_a_factor(name, edges):
    truth = disc(640, 360)
    frame, alpha = composite(truth, name), coarse(truth)
    whole = Sharpener(edges)(frame, alpha)
    assert np.array_equal(whole.frame.planes[3], frame.planes[3])
    frame.planes[3][:, :320], frame.planes[3][:, 320:] = 0, frame.format.maximum // 3
    cut = Sharpener(edges)(frame, alpha).matte.as_float()
    assert not cut[:, :320].any()
    assert np.abs(cut - whole.matte.as_float() / 3)[:, 320:].max() < 0.01


@pytest.mark.parametrize("size", [(2, 2), (17, 9), (16, 90), (101, 3)])
def test_tiny_frames(size):
    frame = composite(np.ones(size[::-1], np.float32), "yuv420p")
    rows, columns = working_size(*size)
    alpha = np.ascontiguousarray(np.broadcast_to(np.linspace(0, 1, columns, dtype=np.float32), (rows, columns)))
    cut = Sharpener()(frame, alpha)
    assert cut.matte.alpha.shape == size[::-1]
    assert 0.3 < cut.matte.as_float().mean() < 0.7


def test_one_sharpener_serves_frames_of_several_sizes():
    sharpen = Sharpener()
    for size in (*SIZES, SIZES[0]):
        truth = disc(*size)
        frame, alpha = composite(truth, "yuv420p"), coarse(truth)
        again = Sharpener()(frame, alpha)
        assert np.array_equal(sharpen(frame, alpha).matte.alpha, again.matte.alpha)
