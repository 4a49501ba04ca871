"""Backgrounds that change while pictures run."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from streamseg.pipelines import scenery as scenery_module
from streamseg.pipelines.scenery import LIVE_FORMAT, Scenery

from streamseg.device.cpu.device import CPUDevice
from streamseg.errors import InputError, OptionError
from streamseg.frame import Colour, Frame, Matte, PixelFormat
from streamseg.media.pictures import encode_png, picture_of

EMPTY = Colour(1, 1, 1, 1)


@pytest.fixture(scope="module")
def device():
    return CPUDevice(threads=1, forms="coarse")


def grey(width=64, height=48, form=LIVE_FORMAT):
    planes = tuple(np.full(shape, 90, form.dtype) for shape in form.shapes(width, height))
    return Frame(planes, form, 0, Fraction(1, 1000), EMPTY)


def nobody(frame):
    return Matte(np.zeros((frame.height, frame.width), np.uint8))


def luma(scenery, frame):
    (value,) = np.unique(scenery.apply(frame, nobody(frame)).planes[0])
    return int(value)


def test_another_background_shows_from_the_next_frame_on(device):
    scenery = Scenery(device, "black")
    assert luma(scenery, grey()) == 16
    scenery.change("white")
    assert luma(scenery, grey()) == 235
    scenery.close()


@pytest.mark.parametrize(
    ("background", "error"),
    [("nowhere.jpg", InputError), ("blur:7", OptionError), ("transparent", OptionError), ("#12", OptionError)],
)
def test_one_that_cannot_be_had_leaves_the_old_one(device, background, error):
    scenery = Scenery(device, "white")
    with pytest.raises(error, match=background.split(":")[0]):
        scenery.change(background)
    assert scenery.background == "white"
    assert luma(scenery, grey()) == 235
    with pytest.raises(error):
        Scenery(device, background)


def test_pictures_of_another_size_and_format_get_a_background_that_fits(device, beach):
    scenery = Scenery(device, str(beach))
    sizes = [(64, 48), (96, 64), (64, 48)]
    for width, height in sizes:
        frame = grey(width, height)
        out = scenery.apply(frame, nobody(frame))
        assert (out.width, out.height) == (width, height)
        assert out.planes[0].std() > 5
    deep = grey(form=PixelFormat.parse("yuv420p10le"))
    matte = Matte(np.zeros((48, 64), np.uint16))
    assert scenery.apply(deep, matte).format.name == "yuv420p10le"


def test_a_file_that_has_gone_when_the_size_changes_is_told_and_blurred(device, tmp_path):
    path = tmp_path / "wall.png"
    path.write_bytes(encode_png(picture_of(np.full((48, 64, 3), 255, np.uint8)), alpha=False))
    said = []
    scenery = Scenery(device, str(path), said.append)
    assert luma(scenery, grey()) == 235
    path.unlink()
    assert luma(scenery, grey(96, 64)) == 90  # its own grey, blurred
    assert len(said) == 1
    assert "wall.png" in said[0] and "blurring" in said[0]


def test_the_matte_can_be_looked_at(device):
    scenery = Scenery(device, "matte")
    frame = grey()
    alpha = nobody(frame).alpha
    alpha[:, 32:] = 255
    out = scenery.apply(frame, Matte(alpha))
    assert (out.planes[0][:, :32] == 16).all() and (out.planes[0][:, 32:] == 235).all()


def test_a_video_that_was_never_shown_is_closed_too(device, sample_clip, monkeypatch):
    opened = []
    real = scenery_module.open_effect

    def remember(*arguments):
        effect = real(*arguments)
        closed = []
        opened.append(closed)
        return replace(effect, close=lambda: (closed.append(True), effect.close()))

    monkeypatch.setattr(scenery_module, "open_effect", remember)
    scenery = Scenery(device, str(sample_clip))
    scenery.change("black")
    scenery.close()
    assert opened == [[True], [True]]
