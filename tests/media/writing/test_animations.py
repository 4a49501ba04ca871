"""Animated images: GIF and APNG, whose frames last as long as each says."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from streamseg.media.images import is_image, read_image
from streamseg.media.reading.reader import VideoReader

DURATIONS = [100, 200, 300, 100, 1000]


@pytest.fixture(params=["in.png", "in.gif"])
def animation(request, tmp_path):
    path = tmp_path / request.param
    images = [Image.fromarray(np.full((48, 64, 3), 40 * k, np.uint8)) for k in range(len(DURATIONS))]
    images[0].save(path, save_all=True, append_images=images[1:], duration=DURATIONS, loop=0)
    return path


def test_frames_last_as_long_as_they_say(animation, rewrite, times_of, frames_of):
    out = rewrite(animation, "out.mp4")
    assert times_of(frames_of(out)) == [Fraction(sum(DURATIONS[:k]), 1000) for k in range(len(DURATIONS))]
    with av.open(str(out)) as container:
        # FFmpeg counts from the first decoding time: 0.1 s less than the edit list has.
        assert abs(container.duration - 1000 * sum(DURATIONS)) <= 100_000
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_an_animation_is_no_image_but_its_first_frame_is_one(animation):
    assert not is_image(str(animation))
    frame = read_image(str(animation))
    assert (frame.width, frame.height, int(frame.planes[0].max())) == (64, 48, 0)


def test_a_png_of_one_frame_is_an_image(tmp_path):
    Image.new("RGB", (64, 48), (9, 9, 9)).save(tmp_path / "in.png")
    assert is_image(str(tmp_path / "in.png"))
    with VideoReader(str(tmp_path / "in.png")) as reader:
        assert len(list(reader)) == 1
