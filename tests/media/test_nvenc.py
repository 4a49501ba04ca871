"""Encoding by a card: chosen where nobody chose otherwise and it opens; here it does not."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from streamseg.errors import OptionError, UnsupportedDevice
from streamseg.frame import PixelFormat
from streamseg.media import nvenc
from streamseg.media.native import plane_views
from streamseg.media.nvenc import choose_card_target
from streamseg.media.origin import Origin
from streamseg.media.reader import VideoReader
from streamseg.media.target import Encoding, choose_target
from streamseg.media.writer import open_writer


def opens() -> bool:
    context = av.CodecContext.create("h264_nvenc", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 640, 360, "yuv420p", Fraction(1, 25)
    try:
        context.open()
    except (av.error.FFmpegError, OSError):
        return False
    return True


without_encoder = pytest.mark.skipif(opens(), reason="there is a card that encodes")


@pytest.fixture
def info(make_clip):
    def of(**clip):
        with VideoReader(str(make_clip("in.mp4", **clip))) as reader:
            return reader.info

    return of


class Encoder:
    """A card that encodes; what was set before it was opened."""

    def __init__(self, refuses=None):
        self._refuses, self.opened = refuses, 0

    def open(self):
        self.opened += 1
        if self._refuses:
            raise self._refuses


@pytest.fixture
def there(monkeypatch):
    encoder = Encoder()

    class Codecs:
        @staticmethod
        def create(name, mode):
            encoder.name = name
            return encoder

    monkeypatch.setattr(nvenc, "av", SimpleNamespace(CodecContext=Codecs, error=av.error))
    return encoder


@without_encoder
def test_x264_encodes_where_no_card_does_and_says_why(info, caplog):
    with caplog.at_level(logging.WARNING, "streamseg"):
        target = choose_card_target("out.mp4", info(), False, Encoding())
    assert (target.codec, target.options["crf"], target.layout) == ("libx264", "17", "yuv420p")
    assert [record.message for record in caplog.records] == [
        "streamseg: x264 encodes on the CPU (h264_nvenc: Operation not permitted)"
    ]


@without_encoder
@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_nvenc"])
def test_an_encoder_that_was_asked_for_is_missed(make_clip, rewrite, no_partials, codec):
    says = (
        rf"{codec}: no NVIDIA card that encodes this \(Operation not permitted\); see nvidia-smi, or use --codec h264"
    )
    with pytest.raises(UnsupportedDevice, match=says):
        rewrite(make_clip("in.mp4"), "out.mp4", encoding=Encoding(codec))
    assert no_partials()


def test_a_wrong_preset_is_a_wrong_command(make_clip, rewrite, no_partials):
    with pytest.raises(OptionError, match=r"the encoder h264_nvenc refuses its settings: .*preset=veryfast"):
        rewrite(make_clip("in.mp4"), "out.mp4", encoding=Encoding("h264_nvenc", preset="veryfast"))
    assert no_partials()


@pytest.mark.parametrize("crf, cq", [(None, "19"), (23.0, "23")])
def test_a_card_that_encodes_is_given_what_will_be_written(info, there, crf, cq, caplog):
    target = choose_card_target("out.mp4", info(size=(64, 48)), False, Encoding(crf=crf))
    assert (target.codec, target.options["cq"]) == ("h264_nvenc", cq)
    assert (there.name, there.width, there.height, there.pix_fmt, there.opened) == ("h264_nvenc", 64, 48, "yuv420p", 1)
    assert there.options == target.options and there.framerate == 25
    assert not caplog.records


def test_ten_bits_are_tried_as_such_and_left_to_x264(info, there, caplog):
    there._refuses = OSError(38, "Function not implemented")
    target = choose_card_target("out.mp4", info(pixel_format="yuv420p10le"), False, Encoding())
    assert there.pix_fmt == "p010le"
    assert (target.codec, target.format.name) == ("libx264", "yuv420p10le")
    assert "h264_nvenc: Function not implemented" in caplog.text


@pytest.mark.parametrize(
    "path, alpha, encoding, clip",
    [
        ("out.mp4", False, Encoding("h264"), {}),
        ("out.mp4", False, Encoding("libx265"), {}),
        ("out.mp4", False, Encoding(preset="slow"), {}),
        ("out.mov", True, Encoding(), {}),
        ("out.webm", False, Encoding(), {}),
        ("out/", True, Encoding(), {}),
        ("out.mp4", False, Encoding(), {"pixel_format": "yuv444p"}),
        ("out.mp4", False, Encoding(), {"pixel_format": "yuv422p10le"}),
        (
            "out.mp4",
            False,
            Encoding(),
            {"options": {"qp": "0", "x264-params": "interlaced=1:tff=1"}, "size": (64, 64)},
        ),
    ],
    ids=str,
)
def test_what_somebody_chose_or_nvenc_would_not_keep_is_not_tried(info, there, path, alpha, encoding, clip):
    target = choose_card_target(path, info(**clip), alpha, encoding)
    assert not target.codec.endswith("nvenc")
    assert there.opened == 0


def test_ten_bits_in_turns_are_the_same_ten_bits():
    """NVENC's layout for ten bits is P010. In one thread: swscale's threads write over each other's rows."""
    form = PixelFormat.parse("yuv420p10le")
    native = av.VideoFrame(66, 50, form.name)
    rng = np.random.default_rng(0)
    for plane in plane_views(native, form):
        plane[:] = rng.integers(0, 1024, plane.shape)
    back = native.reformat(format="p010le", threads=1).reformat(format=form.name, threads=1)
    for mine, theirs in zip(plane_views(back, form), plane_views(native, form), strict=True):
        assert np.array_equal(mine, theirs)


def test_an_encoder_that_wants_turns_gets_them(make_clip, tmp_path, frames_of):
    """x264 takes NV12 too, and loses nothing: it stands in for NVENC with P010."""
    clip = make_clip("in.mp4", size=(66, 50))
    with VideoReader(str(clip)) as reader:
        target = choose_target(str(tmp_path / "out.mp4"), reader.info.shape.format, False, Encoding("libx264", 0))
        writer = open_writer(replace(target, layout="nv12"), reader.info.shape, Origin.of(reader), (), False)
        assert writer._video.pix_fmt == "nv12"
        for frame in reader:
            writer.write(frame)
        writer.finish()
    for mine, theirs in zip(frames_of(tmp_path / "out.mp4"), frames_of(clip), strict=True):
        assert mine.pts == theirs.pts
        assert all(np.array_equal(one, other) for one, other in zip(mine.planes, theirs.planes, strict=True))
