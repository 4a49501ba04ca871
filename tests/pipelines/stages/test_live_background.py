"""The background of live frames, changed while they run."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from streamseg.pipelines.stages import live_background as live_background_module
from streamseg.pipelines.stages.live_background import LIVE_FORMAT, LiveBackground

from streamseg.device.cpu.device import CPUDevice
from streamseg.errors import InputError, OptionError
from streamseg.frame import Colour, Frame, Matte, PixelFormat
from streamseg.media.images import encode_png, image_frame

BT709 = Colour(1, 1, 1, 1)


@pytest.fixture(scope="module")
def device():
    return CPUDevice(threads=1, variants="lite")


def grey_frame(width=64, height=48, form=LIVE_FORMAT):
    planes = tuple(np.full(shape, 90, form.dtype) for shape in form.shapes(width, height))
    return Frame(planes, form, 0, Fraction(1, 1000), BT709)


def empty_matte(frame):
    return Matte(np.zeros((frame.height, frame.width), np.uint8))


def luma(live_background, frame):
    """The one luma code of the background."""
    (value,) = np.unique(live_background.apply(frame, empty_matte(frame)).planes[0])
    return int(value)


def test_a_change_applies_from_the_next_frame_on(device):
    live_background = LiveBackground(device, "black")
    assert luma(live_background, grey_frame()) == 16
    live_background.change("white")
    assert luma(live_background, grey_frame()) == 235
    live_background.close()


@pytest.mark.parametrize(
    ("background", "error"),
    [("nowhere.jpg", InputError), ("blur:7", OptionError), ("transparent", OptionError), ("#12", OptionError)],
)
def test_a_background_that_cannot_be_opened_leaves_the_old_one(device, background, error):
    live_background = LiveBackground(device, "white")
    with pytest.raises(error, match=background.split(":")[0]):
        live_background.change(background)
    assert live_background.background == "white"
    assert luma(live_background, grey_frame()) == 235
    with pytest.raises(error):
        LiveBackground(device, background)


def test_frames_of_another_size_and_format_get_a_background_that_fits(device, beach):
    live_background = LiveBackground(device, str(beach))
    sizes = [(64, 48), (96, 64), (64, 48)]
    for width, height in sizes:
        frame = grey_frame(width, height)
        out = live_background.apply(frame, empty_matte(frame))
        assert (out.width, out.height) == (width, height)
        assert out.planes[0].std() > 5
    deep = grey_frame(form=PixelFormat.parse("yuv420p10le"))
    matte = Matte(np.zeros((48, 64), np.uint16))
    assert live_background.apply(deep, matte).format.name == "yuv420p10le"


def test_a_file_that_is_gone_when_the_size_changes_is_reported_and_blur_used(device, tmp_path):
    path = tmp_path / "wall.png"
    path.write_bytes(encode_png(image_frame(np.full((48, 64, 3), 255, np.uint8)), alpha=False))
    messages = []
    live_background = LiveBackground(device, str(path), messages.append)
    assert luma(live_background, grey_frame()) == 235
    path.unlink()
    assert luma(live_background, grey_frame(96, 64)) == 90  # the frame's own grey, blurred
    assert len(messages) == 1
    assert "wall.png" in messages[0] and "blurring" in messages[0]


def test_the_matte_as_background(device):
    live_background = LiveBackground(device, "matte")
    frame = grey_frame()
    alpha = empty_matte(frame).alpha
    alpha[:, 32:] = 255
    out = live_background.apply(frame, Matte(alpha))
    assert (out.planes[0][:, :32] == 16).all() and (out.planes[0][:, 32:] == 235).all()


def test_a_video_that_was_never_used_is_closed_too(device, sample_clip, monkeypatch):
    closed_by_effect = []
    open_effect = live_background_module.open_effect

    def recording(*arguments):
        effect, closed = open_effect(*arguments), []
        closed_by_effect.append(closed)
        return replace(effect, close=lambda: (closed.append(True), effect.close()))

    monkeypatch.setattr(live_background_module, "open_effect", recording)
    live_background = LiveBackground(device, str(sample_clip))
    live_background.change("black")
    live_background.close()
    assert closed_by_effect == [[True], [True]]
