"""The frame's own background, blurred, without the subject in it."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.background import BlurredBackground, open_background
from streamseg.frame import Frame, Matte
from streamseg.matting.compositing.blur import fill_holes, gaussian_blur
from streamseg.media.pixels.native import native_of, wrap

FORMATS = ["yuv420p", "yuv444p", "yuv422p10le", "yuv420p10le"]


def scene(shape, frame_at, softness=0):
    """A saturated red subject (Y 81, Cb 90, Cr 240) before a grey-green gradient, and its matte."""
    frame = frame_at(shape)
    scale = 1 << (shape.format.depth - 8)
    rows, columns = shape.height, shape.width
    y, x = np.indices((rows, columns), np.float32)
    distance = np.hypot(y - rows * 0.55, (x - columns * 0.45) * 0.8) - rows * 0.28
    alpha = np.clip(0.5 - distance / max(softness, 1e-6), 0, 1) if softness else (distance < 0).astype(np.float32)
    backgrounds = 90 + 60 * x / columns, 118 + 0 * x, 112 + 4 * y / rows
    planes = []
    for plane, behind, own in zip(frame.planes, backgrounds, (81, 90, 240), strict=True):
        blended = behind * (1 - alpha) + own * alpha
        step_y, step_x = rows // plane.shape[0], columns // plane.shape[1]
        subsampled = blended.reshape(plane.shape[0], step_y, plane.shape[1], step_x).mean((1, 3))
        planes.append(np.rint(subsampled * scale).astype(plane.dtype))
    top = 255 if shape.format.depth == 8 else 65535
    blended_frame = Frame(tuple(planes), shape.format, 0, frame.time_base, shape.colour)
    matte = Matte(np.rint(alpha * top).astype(shape.format.dtype))
    return wrap(native_of(blended_frame), 0, frame.time_base, shape.colour), matte


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("softness", [0, 4, 16])
@pytest.mark.parametrize("name", FORMATS)
def test_no_colour_of_the_subject_leaks(shape_of, frame_at, name, softness, strength):
    shape = shape_of(name, 320, 240)
    frame, matte = scene(shape, frame_at, softness)
    assert frame.planes[2].max() / (1 << (shape.format.depth - 8)) > 235
    luma, blue, red = BlurredBackground(shape, strength).planes(frame, matte)
    scale = 1 << (shape.format.depth - 8)
    # The samples at the outer end of a soft edge still contain a little of the subject.
    assert (red.min() / scale, red.max() / scale) == pytest.approx((112, 116), abs=10 if softness == 16 else 3)
    assert (blue.min() / scale, blue.max() / scale) == pytest.approx((118, 118), abs=3)
    assert luma.min() / scale >= 86
    assert luma.max() / scale <= 154


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("spec", ["blur", "blur:0.05", "blur:1"])
def test_a_constant_background_stays_constant(shape_of, frame_at, empty_matte, name, spec):
    shape = shape_of(name, 129 if "444" in name else 128, 95 if "444" in name else 96)
    for codes in ((16, 128, 128), (235, 90, 240), (1, 254, 3)):
        frame = frame_at(shape, codes=codes)
        background = open_background(spec, shape)
        for plane, wanted in zip(background.planes(frame, empty_matte(shape)), frame.planes, strict=True):
            assert plane.shape == wanted.shape
            assert plane.dtype == wanted.dtype
            assert np.array_equal(plane, wanted)


@pytest.mark.parametrize("size", [(63, 47), (161, 91), (64, 1080), (16, 16)])
def test_odd_and_narrow_sizes(shape_of, frame_at, empty_matte, size):
    shape = shape_of("yuv420p", *size)
    planes = open_background("blur", shape).planes(frame_at(shape), empty_matte(shape))
    assert [plane.shape for plane in planes] == list(shape.format.shapes(*size))


def test_a_stronger_blur_is_smoother(shape_of, frame_at, empty_matte):
    shape = shape_of("yuv444p", 256, 192)
    frame = frame_at(shape)
    frame.planes[0][:, 128:] = 220
    slopes = []
    for strength in (0.02, 0.1, 0.5, 1.0):
        luma = BlurredBackground(shape, strength).planes(frame, empty_matte(shape))[0].astype(int)
        slopes.append(np.abs(np.diff(luma[96])).max())
        assert abs(float(luma.mean()) - float(frame.planes[0].mean())) < 1.5
    assert slopes == sorted(slopes, reverse=True)
    assert slopes[0] > 2.5 * slopes[-1]


def test_the_standard_deviation_of_the_blur(shape_of, frame_at, empty_matte):
    """An edge becomes the integral of a Gaussian with a standard deviation of a twentieth of the shorter side."""
    shape = shape_of("yuv444p", 400, 300)
    frame = frame_at(shape, codes=(40, 128, 128))
    frame.planes[0][:, 200:] = 200
    luma = BlurredBackground(shape, 1.0).planes(frame, empty_matte(shape))[0].astype(float)
    row = (luma[150] - 40) / 160
    low, high = np.searchsorted(row, [0.1587, 0.8413])
    assert (high - low) / 2 == pytest.approx(15, rel=0.2)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
@pytest.mark.parametrize("name", FORMATS)
def test_a_subject_that_fills_the_frame(shape_of, frame_at, name, alpha):
    shape = shape_of(name, 128, 96)
    frame = frame_at(shape, codes=(81, 90, 240))
    top = 255 if shape.format.depth == 8 else 65535
    matte = Matte(np.full((96, 128), alpha * top, shape.format.dtype))
    for plane, own in zip(BlurredBackground(shape, 0.5).planes(frame, matte), frame.planes, strict=True):
        assert np.abs(plane.astype(int) - own).max() <= 1


def test_a_small_visible_part_of_the_background_is_enough(shape_of, frame_at):
    shape = shape_of("yuv444p", 640, 480)
    frame = frame_at(shape, codes=(81, 90, 240))
    for plane, code in zip(frame.planes, (140, 118, 114), strict=True):
        plane[:96, :96] = code
    alpha = np.full((480, 640), 255, np.uint8)
    alpha[:96, :96] = 63
    planes = BlurredBackground(shape, 1.0).planes(frame, Matte(alpha))
    for plane, code in zip(planes, (140, 118, 114), strict=True):
        assert np.abs(plane.astype(int) - code).max() <= 12


def test_a_frame_with_its_own_alpha_plane(shape_of, frame_at, empty_matte):
    shape = shape_of("yuva420p", 64, 48)
    planes = BlurredBackground(shape, 0.5).planes(frame_at(shape), empty_matte(shape))
    assert [plane.shape for plane in planes] == [(48, 64), (24, 32), (24, 32)]


def test_holes_are_filled_from_their_surroundings():
    image = np.tile(np.linspace(10, 200, 64, dtype=np.float32), (48, 1))
    weight = np.ones_like(image)
    image[10:38, 20:44], weight[10:38, 20:44] = 1e4, 0
    filled = fill_holes(image, weight)
    assert np.array_equal(filled[weight == 1], image[weight == 1])
    assert filled[10:38, 20:44].min() > 60
    assert filled[10:38, 20:44].max() < 150


def test_a_gaussian_keeps_the_mean_and_the_edges():
    rng = np.random.default_rng(1)
    image = rng.uniform(0, 255, (40, 50)).astype(np.float32)
    blurred = gaussian_blur(np.pad(image, 20, mode="edge"), 2.0, 2.0)
    assert abs(float(blurred.mean()) - float(np.pad(image, 20, mode="edge").mean())) < 2
    flat = gaussian_blur(np.full((9, 7), 65535, np.float32), 3.0, 0.5)
    assert np.array_equal(np.rint(flat), np.full((9, 7), 65535))
