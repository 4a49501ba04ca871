"""Backgrounds blurred on the GPU, against streamseg.background.blur."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from test_finish_kernels import GRID, cut_out_of, distinct_subject  # noqa: E402
from test_plane_kernels import frame_of, uploaded  # noqa: E402
from test_temporal_kernels import soft  # noqa: E402

from streamseg.background.blur import BlurredBackground  # noqa: E402
from streamseg.device.cuda.stages.finish import Finish, Finisher, Output  # noqa: E402
from streamseg.frame import Colour, Frame, Matte, PixelFormat  # noqa: E402
from streamseg.matting.compositing.blur import BlurSize  # noqa: E402
from streamseg.matting.compositing.over import composite_into  # noqa: E402
from streamseg.media.pixels.conform import Shape  # noqa: E402
from streamseg.media.pixels.native import allocate  # noqa: E402

pytestmark = pytest.mark.parametrize("platform", ["late", "gpu"], indirect=True)

FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuva420p", "gbrp"]


def blurred(device, frame, alpha, strength, count=1):
    """The output of a frame that is finished ``count`` times."""
    size = frame.width, frame.height
    blur = BlurSize.of(*size, strength)
    finisher = Finisher(device, frame.format, *size, alpha.shape, 1, Output.BLURRED)
    with device.platform.on(device.compute):
        slot = uploaded(device.platform, frame)
        on_gpu = device.platform.upload(torch.from_numpy(alpha))
    for _ in range(count):
        with device.platform.on(device.compute):
            done = finisher.finish(frame, slot, on_gpu, Finish(Output.BLURRED, False, blur=blur))
        with finisher.downloaded(done) as planes:
            out = [plane.copy() for plane in planes]
    return out


def on_cpu(device, frame, alpha, strength):
    """Of the GPU's own cut-out, so that only the background can differ."""
    planes, codes = cut_out_of(device, frame, alpha, False)
    form = frame.format.opaque()
    own = Frame(tuple(planes), form, 0, frame.time_base, frame.colour)
    shape = Shape(frame.width, frame.height, form, frame.colour, Fraction(1))
    background = BlurredBackground(shape, strength).planes(own, Matte(codes))
    out = allocate(own)
    composite_into(out, own, Matte(codes), background)
    return out.planes


@pytest.mark.parametrize("name", FORMATS)
def test_without_scaling_it_equals_the_cpus(device, name):
    """A blur so narrow that it is done at full size: weights, filled holes and blur, to one code."""
    frame, alpha = frame_of(name, 67, 45), soft(5, GRID)
    assert BlurSize.of(67, 45, 0.5)[:2] == (45, 67)
    for mine, theirs in zip(blurred(device, frame, alpha, 0.5), on_cpu(device, frame, alpha, 0.5), strict=True):
        assert np.abs(mine.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv420p10le"])
def test_at_low_resolution_it_is_like_the_cpus(device, name, strength):
    """Other downscaling before the blur: half an 8-bit code on average, a few at hard edges."""
    alpha = soft(5, GRID)
    frame = distinct_subject(name, alpha, 640, 360)
    step = 1 << (frame.format.depth - 8)
    for mine, theirs in zip(
        blurred(device, frame, alpha, strength), on_cpu(device, frame, alpha, strength), strict=True
    ):
        difference = np.abs(mine.astype(int) - theirs.astype(int)) / step
        assert difference.mean() < 0.5
        assert difference.max() <= 6


def test_no_colour_of_the_subject_spreads(device):
    """In front of a flat wall, everything but the subject keeps the colour of the wall."""
    alpha = np.zeros(GRID, np.float32)
    alpha[20:50, 40:90] = 1
    form = PixelFormat.parse("yuv420p")
    planes = [
        np.full(shape, level, np.uint8) for shape, level in zip(form.shapes(640, 360), (90, 120, 140), strict=True)
    ]
    planes[0][110:240, 210:440], planes[1][55:120, 105:220] = 230, 40
    frame = Frame(tuple(planes), form, 0, Fraction(1, 25), Colour(1, 1))
    luma, cb, cr = blurred(device, frame, alpha, 1.0)
    away = np.ones((360, 640), bool)
    away[90:260, 190:460] = False
    assert np.all(luma[away] == 90) and np.all(cb[away[::2, ::2]] == 120) and np.all(cr == 140)
    assert np.all(luma[130:220, 230:420] == 230)


def test_a_subject_that_fills_the_frame_is_unchanged(device):
    frame = frame_of("yuv420p", 320, 180)
    for mine, theirs in zip(blurred(device, frame, np.ones(GRID, np.float32), 0.5), frame.planes, strict=True):
        assert np.array_equal(mine, theirs)


def test_without_any_background_the_whole_frame_is_blurred(device):
    """No pixel is certain background: then all have weight."""
    frame, alpha = frame_of("yuv420p", 67, 45), np.full(GRID, 0.5, np.float32)
    for mine, theirs in zip(blurred(device, frame, alpha, 0.5), on_cpu(device, frame, alpha, 0.5), strict=True):
        assert np.abs(mine.astype(int) - theirs.astype(int)).max() <= 1


def test_frames_do_not_depend_on_the_frame_before(device):
    frame, alpha = frame_of("yuv420p", 320, 180), soft(5, GRID)
    once, twice = (blurred(device, frame, alpha, 0.7, count) for count in (1, 3))
    assert all(np.array_equal(one, other) for one, other in zip(once, twice, strict=True))
