"""Backgrounds blurred on the card, beside streamseg.background.blur."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from test_finish_kernels import GRID, finished, standing_out  # noqa: E402
from test_matte_kernels import soft  # noqa: E402
from test_plane_kernels import frame_of  # noqa: E402

from streamseg.background.blur import BlurredBackground, SmallBlur  # noqa: E402
from streamseg.device.cuda.finish import Finisher, Output  # noqa: E402
from streamseg.device.cuda.transfer import PictureSlot  # noqa: E402
from streamseg.frame import Colour, Frame, Matte, PixelFormat  # noqa: E402
from streamseg.matting.composite import composite_into  # noqa: E402
from streamseg.media.conform import Shape  # noqa: E402
from streamseg.media.native import allocate  # noqa: E402

FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuva420p", "gbrp"]


def blurred(device, frame, alpha, strength, count=1):
    small = SmallBlur.of(frame.width, frame.height, strength)
    size = frame.width, frame.height
    finisher = Finisher(device, frame.format, *size, alpha.shape, False, Output.BLURRED, 1, small)
    slot = PictureSlot.allocate(device.platform, frame.format, *size)
    slot.fill(frame.planes)
    slot.upload()
    for _ in range(count):
        with device.platform.on(device.compute):
            done = finisher.finish(frame, slot, device.platform.upload(torch.from_numpy(alpha)), None)
        with finisher.arrived(done) as planes:
            out = [plane.copy() for plane in planes]
    return out


def on_cpu(device, frame, alpha, strength):
    """Of the card's own cut-out, so that only the background can differ."""
    planes, codes = finished(device, frame, alpha, False)
    form = frame.format.opaque()
    own = Frame(tuple(planes), form, 0, frame.time_base, frame.colour)
    shape = Shape(frame.width, frame.height, form, frame.colour, Fraction(1))
    behind = BlurredBackground(shape, strength).planes(own, Matte(codes))
    out = allocate(own)
    composite_into(out, own, Matte(codes), behind)
    return out.planes


@pytest.mark.parametrize("name", FORMATS)
def test_without_scaling_it_is_the_cpus(device, name):
    """A blur so narrow that it is done at full size: evidence, filled holes and blur, to a code."""
    frame, alpha = frame_of(name, 67, 45), soft(5, GRID)
    assert SmallBlur.of(67, 45, 0.5)[:2] == (45, 67)
    for mine, theirs in zip(blurred(device, frame, alpha, 0.5), on_cpu(device, frame, alpha, 0.5), strict=True):
        assert np.abs(mine.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv420p10le"])
def test_at_a_small_size_it_looks_the_same(device, name, strength):
    """swscale's bicubic beside a triangle, both blurred after: a code of 8 bits in the mean, a few at hard edges."""
    alpha = soft(5, GRID)
    frame = standing_out(name, alpha, 640, 360)
    step = 1 << (frame.format.depth - 8)
    for mine, theirs in zip(
        blurred(device, frame, alpha, strength), on_cpu(device, frame, alpha, strength), strict=True
    ):
        difference = np.abs(mine.astype(int) - theirs.astype(int)) / step
        assert difference.mean() < 0.5
        assert difference.max() <= 6


def test_nothing_of_the_subject_spreads(device):
    """Before a flat wall, all that is not the subject stays the wall."""
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


def test_a_subject_everywhere_is_still_there(device):
    frame = frame_of("yuv420p", 320, 180)
    for mine, theirs in zip(blurred(device, frame, np.ones(GRID, np.float32), 0.5), frame.planes, strict=True):
        assert np.array_equal(mine, theirs)


def test_half_of_a_subject_everywhere_is_over_the_blur_of_all(device):
    """No evidence of the background at all: then everything counts."""
    frame, alpha = frame_of("yuv420p", 67, 45), np.full(GRID, 0.5, np.float32)
    for mine, theirs in zip(blurred(device, frame, alpha, 0.5), on_cpu(device, frame, alpha, 0.5), strict=True):
        assert np.abs(mine.astype(int) - theirs.astype(int)).max() <= 1


def test_nothing_is_left_of_the_frame_before(device):
    frame, alpha = frame_of("yuv420p", 320, 180), soft(5, GRID)
    once, twice = (blurred(device, frame, alpha, 0.7, count) for count in (1, 3))
    assert all(np.array_equal(one, other) for one, other in zip(once, twice, strict=True))
