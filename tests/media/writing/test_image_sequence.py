"""Frames as numbered PNGs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from streamseg.media.images import read_image


def test_the_time_stamps_of_images(make_clip, rewrite):
    clip = make_clip("source.mp4", pts=[0, 1, 5, 7], time_base=Fraction(1, 30))
    folder = rewrite(clip, "frames/")
    lines = (folder / "timestamps.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["# timestamp format v2", "0.000", "33.333", "166.667", "233.333"]


def test_opaque_images_have_the_colours_of_the_video(make_clip, orange, rewrite):
    clip = make_clip("source.avi", codec="ffv1", draw=orange, count=2, options={})
    image = read_image(str(rewrite(clip, "frames/") / "000001.png"))
    assert image.format.name == "gbrp"
    means = [float(plane.mean()) for plane in image.planes]
    assert np.abs(np.array(means) - (120, 30, 220)).max() < 3
