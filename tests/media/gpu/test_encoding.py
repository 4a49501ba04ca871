"""Encoding on a GPU: chosen if the user has not chosen an encoder and NVENC can be opened."""

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
from streamseg.media.gpu import encoding as encoding_module
from streamseg.media.gpu.encoding import choose_gpu_target
from streamseg.media.pixels.native import plane_views
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.media.writing.writer import open_writer


def has_encoder() -> bool:
    context = av.CodecContext.create("h264_nvenc", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 640, 360, "yuv420p", Fraction(1, 25)
    try:
        context.open()
    except (av.error.FFmpegError, OSError):
        return False
    return True


without_encoder = pytest.mark.skipif(has_encoder(), reason="there is a GPU that encodes")


@pytest.fixture
def info(make_clip):
    def of(**clip):
        with VideoReader(str(make_clip("in.mp4", **clip))) as reader:
            return reader.info

    return of


class Encoder:
    """A stand-in for NVENC, with what was set before it was opened."""

    def __init__(self, refuses=None):
        self._refuses, self.opened = refuses, 0

    def open(self):
        self.opened += 1
        if self._refuses:
            raise self._refuses


@pytest.fixture
def encoder(monkeypatch):
    encoder = Encoder()

    class Codecs:
        @staticmethod
        def create(name, mode):
            encoder.name = name
            return encoder

    monkeypatch.setattr(encoding_module, "av", SimpleNamespace(CodecContext=Codecs, error=av.error))
    return encoder


@without_encoder
def test_x264_is_used_without_an_nvenc_gpu_and_the_reason_is_logged(info, caplog):
    with caplog.at_level(logging.WARNING, "streamseg"):
        target = choose_gpu_target("out.mp4", info(), False, Encoding())
    assert (target.codec, target.options["crf"], target.layout) == ("libx264", "17", "yuv420p")
    assert [record.message for record in caplog.records] == [
        "streamseg: x264 encodes on the CPU (h264_nvenc: Operation not permitted)"
    ]


@without_encoder
@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_nvenc"])
def test_a_chosen_encoder_that_is_missing(make_clip, rewrite, no_partial_files, codec):
    message = (
        rf"{codec}: no NVIDIA GPU that encodes this \(Operation not permitted\); see nvidia-smi, or use --codec h264"
    )
    with pytest.raises(UnsupportedDevice, match=message):
        rewrite(make_clip("in.mp4"), "out.mp4", encoding=Encoding(codec))
    assert no_partial_files()


def test_a_wrong_preset_is_an_option_error(make_clip, rewrite, no_partial_files):
    with pytest.raises(OptionError, match=r"the encoder h264_nvenc refuses its settings: .*preset=veryfast"):
        rewrite(make_clip("in.mp4"), "out.mp4", encoding=Encoding("h264_nvenc", preset="veryfast"))
    assert no_partial_files()


@pytest.mark.parametrize("crf, cq", [(None, "19"), (23.0, "23")])
def test_the_encoder_is_tried_with_the_final_settings(info, encoder, crf, cq, caplog):
    target = choose_gpu_target("out.mp4", info(size=(64, 48)), False, Encoding(crf=crf))
    assert (target.codec, target.options["cq"]) == ("h264_nvenc", cq)
    assert (encoder.name, encoder.width, encoder.height, encoder.pix_fmt) == ("h264_nvenc", 64, 48, "yuv420p")
    assert encoder.opened == 1
    assert encoder.options == target.options and encoder.framerate == 25
    assert not caplog.records


def test_ten_bits_are_tried_with_p010_and_fall_back_to_x265(info, encoder, caplog):
    encoder._refuses = OSError(38, "Function not implemented")
    target = choose_gpu_target("out.mp4", info(pixel_format="yuv420p10le"), False, Encoding())
    assert encoder.pix_fmt == "p010le"
    assert (target.codec, target.format.name) == ("libx265", "yuv420p10le")
    assert "hevc_nvenc: Function not implemented" in caplog.text


@pytest.mark.parametrize(
    "path, alpha, encoding, clip",
    [
        ("out.mp4", False, Encoding("h264"), {}),
        ("out.mp4", False, Encoding("libx265"), {}),
        ("out.mp4", False, Encoding(preset="slow"), {}),
        ("out.mov", True, Encoding(), {}),
        ("out.webm", False, Encoding(), {}),
        ("out/", True, Encoding(), {}),
        ("out.mp4", False, Encoding(pixel_format="source"), {"pixel_format": "yuv444p"}),
        ("out.mkv", False, Encoding(), {"pixel_format": "yuv444p"}),
        ("out.mp4", False, Encoding(pixel_format="source"), {"pixel_format": "yuv422p10le"}),
        (
            "out.mp4",
            False,
            Encoding(),
            {"options": {"qp": "0", "x264-params": "interlaced=1:tff=1"}, "size": (64, 64)},
        ),
    ],
    ids=str,
)
def test_choices_of_the_user_and_formats_that_nvenc_would_change_are_not_tried(
    info, encoder, path, alpha, encoding, clip
):
    target = choose_gpu_target(path, info(**clip), alpha, encoding)
    assert not target.codec.endswith("nvenc")
    assert encoder.opened == 0


def test_p010_keeps_all_ten_bits():
    """NVENC's pixel format for 10 bits. In one thread: swscale's threads would mix up rows."""
    planar = PixelFormat.parse("yuv420p10le")
    native = av.VideoFrame(66, 50, planar.name)
    rng = np.random.default_rng(0)
    for plane in plane_views(native, planar):
        plane[:] = rng.integers(0, 1024, plane.shape)
    back = native.reformat(format="p010le", threads=1).reformat(format=planar.name, threads=1)
    for mine, theirs in zip(plane_views(back, planar), plane_views(native, planar), strict=True):
        assert np.array_equal(mine, theirs)


def test_an_encoder_with_a_semi_planar_format(make_clip, tmp_path, frames_of):
    """x264 accepts NV12 too, without loss: a stand-in for NVENC with P010."""
    clip = make_clip("in.mp4", size=(66, 50))
    with VideoReader(str(clip)) as reader:
        target = choose_target(str(tmp_path / "out.mp4"), reader.info.shape.format, False, Encoding("libx264", 0))
        writer = open_writer(replace(target, layout="nv12"), reader.info.shape, Origin.of(reader), (), False)
        assert writer._track._stream.pix_fmt == "nv12"
        for frame in reader:
            writer.write(frame)
        writer.finish()
    for mine, theirs in zip(frames_of(tmp_path / "out.mp4"), frames_of(clip), strict=True):
        assert mine.pts == theirs.pts
        assert all(np.array_equal(one, other) for one, other in zip(mine.planes, theirs.planes, strict=True))
