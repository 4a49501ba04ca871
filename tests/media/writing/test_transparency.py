"""Transparent outputs: video with alpha, and PNGs."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.frame import Matte, PixelFormat
from streamseg.matting.compositing.outputs import cut_out
from streamseg.media.images import read_image
from streamseg.media.pixels.scale import to_rgb
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.media.writing.writer import open_writer


def cut_outs(reader, target):
    """Frames with an alpha ramp from left to right."""
    for frame in reader:
        ramp = np.linspace(0, 1, frame.width)[None].repeat(frame.height, 0)
        dtype = np.uint8 if frame.format.depth == 8 else np.uint16
        matte = Matte(np.rint(ramp * np.iinfo(dtype).max).astype(dtype))
        yield cut_out(frame, matte, target.format)


def write_cut_outs(clip, path, encoding=None):
    with VideoReader(str(clip)) as reader:
        target = choose_target(str(path), reader.info.shape.format, True, encoding or Encoding())
        writer = open_writer(target, reader.info.shape, Origin.of(reader), [], False)
        for frame in cut_outs(reader, target):
            writer.write(frame)
        writer.finish()


def assert_orange_ramp(rgb, alpha, within):
    """Straight alpha: the colour is orange where alpha is small, too."""
    ramp = np.linspace(0, 1, alpha.shape[1])
    assert np.abs(alpha / alpha.max() - ramp).max() < within / 255
    assert np.abs(rgb.astype(int) - (220, 120, 30)).max() <= within


@pytest.mark.parametrize(
    "name, source, within",
    [("out.mov", "yuv420p", 5), ("out.mov", "yuv422p10le", 5), ("out.webm", "yuv420p", 8), ("out.mkv", "yuv420p", 5)],
)
def test_transparent_video_has_its_colour_and_alpha(make_clip, orange, tmp_path, frames_of, name, source, within):
    clip = make_clip("source.avi", codec="ffv1", pixel_format=source, draw=orange, count=3, options={})
    write_cut_outs(clip, tmp_path / name, Encoding(crf=4, preset="8") if "webm" in name else None)
    frames = frames_of(tmp_path / name)
    assert len(frames) == 3
    assert frames[0].format.alpha
    for frame in frames:
        rgb = to_rgb(frame.native, frame.colour, "rgb24").to_ndarray()
        assert_orange_ramp(rgb, frame.planes[3].astype(float), within)


@pytest.mark.parametrize("source, bits", [("yuv420p", 8), ("yuv420p10le", 16)])
def test_transparent_images(make_clip, orange, tmp_path, source, bits):
    clip = make_clip(
        "source.avi", codec="ffv1", pixel_format=source, draw=orange, pts=[0, 1, 5], options={}, size=(65, 47)
    )
    write_cut_outs(clip, f"{tmp_path}/frames/")
    folder = tmp_path / "frames"
    assert sorted(p.name for p in folder.iterdir()) == ["000001.png", "000002.png", "000003.png", "timestamps.txt"]
    image = read_image(str(folder / "000002.png"))
    assert image.format == PixelFormat.make(bits, 0, 0, True, rgb=True)
    green, blue, red, alpha = (plane.astype(float) / image.format.maximum for plane in image.planes)
    assert_orange_ramp(np.rint(np.dstack([red, green, blue]) * 255), alpha, 4)
