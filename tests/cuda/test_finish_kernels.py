"""The output of a frame on the GPU, against streamseg.matting.edges and .compositing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from numpy_reference import resampled  # noqa: E402
from test_plane_kernels import frame_of, uploaded  # noqa: E402
from test_temporal_kernels import soft  # noqa: E402

from streamseg.device.cuda.stages.finish import Finish, Finisher, Output  # noqa: E402
from streamseg.errors import InputError  # noqa: E402
from streamseg.frame import Colour, Frame, Matte, PixelFormat  # noqa: E402
from streamseg.matting.compositing.outputs import cut_out, show_matte  # noqa: E402
from streamseg.matting.compositing.over import composite_into  # noqa: E402
from streamseg.matting.edges.cutout import EdgeRefiner  # noqa: E402
from streamseg.media.pixels.native import allocate  # noqa: E402

pytestmark = pytest.mark.parametrize("platform", ["late", "gpu"], indirect=True)

FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv411p", "yuva420p", "gbrp"]
GRID = (72, 128)


def background_of(frame: Frame):
    return tuple(np.ascontiguousarray(plane[::-1, ::-1]) for plane in frame.planes[:3])


@pytest.mark.parametrize("size", [(426, 240), (33, 21), (16, 16)], ids=str)
@pytest.mark.parametrize("name", FORMATS)
def test_composites_equal_the_cpus_bit_for_bit(device, name, size):
    frame = frame_of(name, *size)
    dtype = np.uint8 if frame.format.depth == 8 else np.uint16
    codes = np.rint(soft(3, size[::-1]) * np.iinfo(dtype).max).astype(dtype)
    background = background_of(frame)
    expected = allocate(frame, frame.format.opaque())
    composite_into(expected, frame, Matte(codes), background)
    got = device.composite(frame, Matte(codes), background)
    assert got.format == expected.format and got.pts == frame.pts
    for mine, theirs in zip(got.planes, expected.planes, strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_of_a_matte_one_plane_is_uploaded(device, name, monkeypatch):
    """Besides frame and background in, composite out."""
    sizes, pinned = [], device.platform.pinned
    monkeypatch.setattr(device.platform, "pinned", lambda shape, dtype: sizes.append(shape) or pinned(shape, dtype))
    frame = frame_of(name, 64, 48)
    device._open_stream()
    device.composite(frame, Matte(np.zeros((48, 64), frame.format.dtype)), background_of(frame))
    whole, luma = sum(plane.nbytes for plane in frame.planes), frame.planes[0].nbytes
    assert sum(size for (size,) in sizes) == 3 * whole + luma


def finished(device, frame, alpha, edges, output, background=None):
    """Format and planes of the output of a frame."""
    finisher = Finisher(device, frame.format, frame.width, frame.height, alpha.shape, 1, output)
    with device.platform.on(device.compute):
        slot = uploaded(device.platform, frame)
        on_gpu = device.platform.upload(torch.from_numpy(alpha))
        done = finisher.finish(frame, slot, on_gpu, Finish(output, edges, background))
    with finisher.downloaded(done) as planes:
        return finisher.format, [plane.copy() for plane in planes]


def cut_out_of(device, frame, alpha, edges):
    """Planes and matte of the cut-out."""
    _, (*planes, codes) = finished(device, frame, alpha, edges, Output.CUTOUT)
    return planes, codes


def composited(device, frame, alpha, edges, background):
    return finished(device, frame, alpha, edges, Output.COMPOSITE, background)[1]


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_mattes_and_edges_are_like_the_cpus(device, name, edges):
    """Where a value is halfway between two codes, or alpha at a limit of uncertainty, the codes may differ: seldom."""
    frame, alpha = frame_of(name, 426, 240), soft(5, GRID)
    expected = EdgeRefiner(edges)(frame, alpha)
    planes, codes = cut_out_of(device, frame, alpha, edges)
    step = 1 if frame.format.depth == 8 else 257
    difference = np.abs(codes.astype(int) - expected.matte.alpha.astype(int))
    assert (difference > step).mean() < 2e-3
    assert difference.mean() < 0.1 * step
    for mine, theirs in zip(planes, expected.frame.planes, strict=False):
        off = np.abs(mine.astype(int) - theirs.astype(int))
        assert (off > 1 << (frame.format.depth - 8)).mean() < 4e-3


def distinct_subject(name, alpha, width=426, height=240):
    """A bright, coloured subject where alpha is high, a dark background, and grain: both sides can be told apart."""
    form = PixelFormat.parse(name)
    rng, planes = np.random.default_rng(2), []
    for (rows, columns), subject, background in zip(
        form.shapes(width, height), (0.8, 0.35, 0.65), (0.2, 0.6, 0.4), strict=False
    ):
        share = resampled(np.clip(4 * alpha - 1.5, 0, 1), rows, columns)
        values = share * subject + (1 - share) * background + rng.normal(0, 0.01, (rows, columns))
        planes.append(np.rint(values * form.maximum).astype(form.dtype))
    return Frame(tuple(planes), form, 0, Fraction(1, 25))


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_the_old_background_is_removed_from_edges_as_on_the_cpu(device, name):
    """Of the pixels that are changed, hardly any may differ by more than one 8-bit code."""
    alpha = soft(5, GRID)
    frame = distinct_subject(name, alpha)
    expected = EdgeRefiner(True)(frame, alpha)
    planes, codes = cut_out_of(device, frame, alpha, True)
    step, plain = 1 << (frame.format.depth - 8), EdgeRefiner(False)(frame, alpha)
    refined = expected.matte.alpha != plain.matte.alpha
    assert refined.mean() > 0.03
    different = np.abs(codes.astype(int) - expected.matte.alpha.astype(int)) > (1 if codes.dtype == np.uint8 else 257)
    assert (different & refined).sum() / refined.sum() < 0.01
    for mine, theirs, old in zip(planes, expected.frame.planes, frame.planes, strict=True):
        cleaned = np.abs(theirs.astype(int) - old) > 2 * step
        assert cleaned.mean() > 0.005
        assert (np.abs(mine.astype(int) - theirs)[cleaned] > step).mean() < 0.02


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
def test_the_same_alpha_is_uncertain_as_on_the_cpu(device, name):
    """Near both limits, where there are few pixels: those between are refined as on the CPU, others are unchanged."""
    stripes = np.clip(0.5 + 0.7 * np.sin(np.arange(GRID[1], dtype=np.float32) / 5), 0, 1) * np.ones(GRID, np.float32)
    frame = distinct_subject(name, stripes)
    plain = EdgeRefiner(False)(frame, stripes).matte
    refined = EdgeRefiner(True)(frame, stripes).matte.alpha.astype(int)
    _, codes = cut_out_of(device, frame, stripes, True)
    level, step = plain.as_float(), 1 if codes.dtype == np.uint8 else 257
    for low, high in ((0.02, 0.05), (0.05, 0.08), (0.92, 0.95), (0.95, 0.98)):
        inside = (level > low + 0.004) & (level < high - 0.004) & (np.abs(refined - plain.alpha) > 2 * step)
        assert inside.sum() > 200, (low, high)
        assert (np.abs(codes.astype(int) - refined)[inside] <= step).mean() > 0.98, (low, high)
    for outside in (level < 0.016, level > 0.984):
        assert np.abs(codes[outside].astype(int) - plain.alpha[outside]).max() <= step


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_a_frame_with_alpha_is_downloaded_as_one(device, name, edges):
    """The same as the host makes of a cut-out, where that needs no other format."""
    frame, alpha = frame_of(name, 427, 241), soft(5, GRID)
    planes, codes = cut_out_of(device, frame, alpha, edges)
    form = frame.format
    try:
        target = PixelFormat.make(form.depth, form.shift_x, form.shift_y, True, form.rgb)
    except InputError:
        pytest.skip(f"FFmpeg has no {name} with alpha")
    own = Frame(tuple(planes), form.opaque(), 0, frame.time_base, frame.colour)
    expected = cut_out(own, Matte(codes), target)
    got, together = finished(device, frame, alpha, edges, Output.ALPHA)
    assert got == target and len(np.unique(together[3])) > 50
    for mine, theirs in zip(together, expected.planes, strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("colour", [Colour(1, 1), Colour(1, 2)], ids=["limited", "full"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_matte_is_downloaded_in_grey(device, name, colour):
    frame, alpha = replace(frame_of(name, 427, 241), colour=colour), soft(6, GRID)
    _, codes = cut_out_of(device, frame, alpha, True)
    expected = show_matte(frame, Matte(codes))
    got, planes = finished(device, frame, alpha, True, Output.MATTE)
    assert got == expected.format and len(np.unique(planes[0])) > 70
    for mine, theirs in zip(planes, expected.planes, strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("name", FORMATS)
def test_one_pass_equals_separate_steps(device, name):
    frame, alpha = frame_of(name, 427, 241), soft(6, GRID)
    background = background_of(frame)
    planes, codes = cut_out_of(device, frame, alpha, True)
    own = Frame((*planes, *frame.planes[3:]), frame.format, 0, frame.time_base, frame.colour)
    expected = allocate(own, own.format.opaque())
    composite_into(expected, own, Matte(codes), background)
    together = composited(device, frame, alpha, True, background)
    for mine, theirs in zip(together, expected.planes, strict=True):
        assert np.array_equal(mine, theirs)


def test_pure_foreground_and_background_are_untouched(device):
    frame = frame_of("yuv420p10le", 64, 48)
    background = background_of(frame)
    assert PixelFormat.parse("yuv420p10le") == frame.format
    for alpha, expected in ((1.0, frame.planes), (0.0, background)):
        planes = composited(device, frame, np.full(GRID, alpha, np.float32), True, background)
        for mine, theirs in zip(planes, expected, strict=True):
            assert np.array_equal(mine, theirs)
