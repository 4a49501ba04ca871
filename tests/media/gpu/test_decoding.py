"""Decoding on a GPU: when it is used, when not, and why; with a stand-in where there is no driver."""

from __future__ import annotations

import logging
import struct
from fractions import Fraction

import numpy as np
import pytest
from stand_in_decoder import LAYOUTS, install, semi_planar

from streamseg.errors import InputError, UnsupportedDevice
from streamseg.frame import Frame
from streamseg.media.gpu import decoding as decoding_module
from streamseg.media.gpu.decoding import GPUDecoding, gpu_decoder, open_reader
from streamseg.media.pixels.gpu_frame import GPUFrame, is_on_gpu
from streamseg.media.pixels.native import wrap
from streamseg.media.reading import reader
from streamseg.media.reading.reader import VideoReader

STAYS, DOWNLOADED = GPUDecoding(stays=True), GPUDecoding(stays=False)


def has_driver() -> bool:
    try:
        gpu_decoder(stays=False)
    except UnsupportedDevice:
        return False
    return True


without_driver = pytest.mark.skipif(has_driver(), reason="there is a driver")


@pytest.fixture
def driver(monkeypatch):
    """Installs a stand-in whose frames stay in its memory; gives the sources that it was opened for."""
    return install(monkeypatch)


def unsupported(path, decoding=STAYS):
    """The error message where the GPU is required."""
    with pytest.raises(UnsupportedDevice) as caught:
        open_reader(str(path), decoding=GPUDecoding(decoding.stays, required=True))
    message = str(caught.value)
    assert message.startswith(f"--hwaccel cuda: {path}: ") and message.endswith("; use --hwaccel none")
    assert "\n" not in message
    return message


@without_driver
@pytest.mark.parametrize("decoding", [STAYS, DOWNLOADED], ids=["stays", "downloaded"])
def test_a_machine_without_a_driver(make_clip, decoding):
    assert "no NVIDIA driver that decodes: Operation not permitted; see nvidia-smi" in unsupported(
        make_clip("a.mp4"), decoding
    )


@without_driver
def test_auto_falls_back_to_the_cpu_and_logs_one_line(make_clip, frames_of, caplog):
    path = make_clip("a.mp4")
    with caplog.at_level(logging.WARNING, "streamseg"), open_reader(str(path), decoding=STAYS) as reader:
        frames = [frame for frame in reader if isinstance(frame, Frame)]
    assert [record.message for record in caplog.records] == [
        "streamseg: hwaccel auto: the CPU decodes "
        "(no NVIDIA driver that decodes: Operation not permitted; see nvidia-smi)"
    ]
    assert [frame.pts for frame in frames] == [frame.pts for frame in frames_of(path)]


@pytest.mark.parametrize(
    "clip, message",
    [
        ({"codec": "ffv1", "name": "a.mkv"}, "no NVIDIA GPU decodes ffv1"),
        ({"codec": "prores_ks", "name": "a.mov", "pixel_format": "yuv422p10le"}, "no NVIDIA GPU decodes prores"),
        ({"pixel_format": "yuv444p"}, "pixel format yuv444p: GPU decoding supports 4:2:0 with 8 or 10 bits"),
        (
            {"pixel_format": "yuv422p10le"},
            "pixel format yuv422p10le: GPU decoding supports 4:2:0 with 8 or 10 bits",
        ),
        ({"codec": "mpeg4", "size": (63, 48)}, "63×48 is an odd size, which only the CPU supports"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_gpu_decodes_is_known_without_a_driver(make_clip, driver, clip, message):
    assert message in unsupported(make_clip(**{"name": "a.mp4", **clip}))
    assert driver == []  # the driver was not used


def test_alpha_is_decoded_on_the_cpu(make_clip, driver, rewrite):
    path = rewrite(make_clip("a.mkv", codec="ffv1", pixel_format="yuva420p"), "b.webm", alpha=True)
    assert "NVDEC would drop the alpha plane" in unsupported(path)


def test_rotated_video_is_decoded_on_the_cpu(make_clip, driver):
    clip = make_clip("a.mp4")
    data = bytearray(clip.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    clip.write_bytes(data)
    assert "its frames must be turned upright" in unsupported(clip)


def test_a_pipe_is_decoded_on_the_cpu(make_clip, monkeypatch, driver):
    monkeypatch.setattr(decoding_module, "reads_once", lambda source: True)
    assert "a pipe can be read only once" in unsupported(make_clip("a.mp4"))


@pytest.mark.parametrize("options", [{}, {"start": 0.2}, {"start": 0.12, "duration": 0.2}], ids=str)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv420p10le"])
def test_frames_that_stay_in_gpu_memory_equal_the_cpus(make_clip, driver, frames_of, pixel_format, options):
    """Samples, times, colours and sample aspect ratio."""

    def described(output, stream):
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, 16
        context.sample_aspect_ratio = Fraction(4, 3)

    path = make_clip("a.mp4", pixel_format=pixel_format, pts=[0, 1, 2, 4, 5, 9, 10, 11], prepare=described)
    with open_reader(str(path), decoding=STAYS, **options) as reader:
        shape, got = reader.info.shape, list(reader)
    assert driver == [str(path)]
    expected = frames_of(path, **options)
    assert len(got) == len(expected) >= 2
    for mine, theirs in zip(got, expected, strict=True):
        assert isinstance(mine, GPUFrame) and is_on_gpu(mine.native)
        for name in ("format", "width", "height", "pts", "time_base", "colour", "sample_aspect_ratio", "time"):
            assert getattr(mine, name) == getattr(theirs, name), name
        assert mine.colour == shape.colour and mine.colour.full_range == (pixel_format == "yuvj420p")
        for one, other in zip(planes_of(mine), theirs.planes, strict=True):
            assert np.array_equal(one, other)


def planes_of(frame):
    planar = {layout: name for name, layout in LAYOUTS.items() if "j" not in name}[frame.native.format.name]
    return wrap(frame.native.reformat(format=planar), 0, Fraction(1)).planes


def test_downloaded_frames_equal_the_cpus(make_clip, monkeypatch, frames_of):
    opened = install(monkeypatch, stays=False)
    for pixel_format in ("yuv420p", "yuv420p10le"):
        path = make_clip(f"{pixel_format}.mp4", pixel_format=pixel_format)
        with open_reader(str(path), decoding=DOWNLOADED) as reader:
            got = list(reader)
        assert opened.pop() == str(path)
        for mine, theirs in zip(got, frames_of(path), strict=True):
            assert isinstance(mine, Frame) and mine.pts == theirs.pts and mine.colour == theirs.colour
            assert all(np.array_equal(one, other) for one, other in zip(mine.planes, theirs.planes, strict=True))


def test_frames_for_an_encoder_of_another_format_are_downloaded(make_clip, driver, frames_of):
    path = make_clip("a.mp4", pixel_format="yuv420p10le")
    with VideoReader(str(path)) as cpu_reader, open_reader(str(path), decoding=STAYS) as reader:
        target = cpu_reader.info.shape.format.make(8, 1, 1)
        assert cpu_reader.deliver(target) == reader.deliver(target)
        for mine, theirs in zip(reader, cpu_reader, strict=True):
            assert isinstance(mine, Frame) and mine.format == target
            # swscale rounds planar and semi-planar samples differently, by one code value
            differences = [np.abs(a.astype(int) - b).max() for a, b in zip(mine.planes, theirs.planes, strict=True)]
            assert max(differences) <= 1


def test_audio_and_subtitles_are_read_too(make_clip, driver, audio_track):
    path = make_clip("a.mp4", count=25, audio=[audio_track()])
    packets = []
    for decoding in (None, STAYS):
        with open_reader(str(path), decoding=decoding) as reader:
            reader.copied = reader.container.streams.audio
            packets.append([item.pts for item in reader if not isinstance(item, Frame | GPUFrame)])
    assert packets[0] == packets[1] and len(packets[0]) > 10


def test_a_fallback_of_ffmpeg_to_the_cpu_is_detected(make_clip, monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr("stand_in_decoder.LAYOUTS", {})
    assert "the driver does not decode this kind of h264 High" in unsupported(make_clip("a.mp4", options={"crf": "10"}))


def test_frames_that_differ_from_the_cpus_are_rejected(make_clip, monkeypatch):
    """As with a clip that is cropped on the left: hardware decoding crops on the right and at the bottom only."""
    install(monkeypatch)
    monkeypatch.setattr(
        "stand_in_decoder.semi_planar", lambda native: semi_planar(native.reformat(native.width + 2, native.height))
    )
    assert "the GPU's frames differ from the CPU's (66×48 at 0, expected 64×48 at 0)" in unsupported(make_clip("a.mp4"))


def test_a_driver_that_cannot_decode(make_clip, monkeypatch, caplog):
    """As with a full GPU memory: FFmpeg opens the decoder, but gets no frame."""
    install(monkeypatch)
    path = str(make_clip("a.mp4"))
    open_input = reader.open_input

    def fails(source, decoder=None):
        if decoder is not None:
            raise InputError(f"{source}: no frame could be decoded (Generic error in an external library)")
        return open_input(source)

    monkeypatch.setattr(reader, "open_input", fails)
    assert "the driver cannot decode it: " in unsupported(path)
    with open_reader(path, decoding=STAYS) as fallen_back:
        assert all(isinstance(frame, Frame) for frame in fallen_back)
    assert "the CPU decodes (the driver cannot decode it" in caplog.text


def test_the_context_of_torch_is_used(monkeypatch):
    """FFmpeg cannot open the primary context once torch has opened it with other flags."""
    calls = []

    class Settings:
        def __init__(self, device_type, **options):
            calls.append((device_type, options))

        def create(self, codec):
            calls.append(codec.name)

    monkeypatch.setattr(decoding_module, "HWAccel", Settings)
    gpu_decoder(stays=True)
    gpu_decoder(stays=False)
    stays = {"allow_software_fallback": True, "options": {"primary_ctx": "0", "current_ctx": "1"}, "is_hw_owned": True}
    assert calls[:2] == [("cuda", stays), "h264"]
    assert calls[2:] == [("cuda", {**stays, "options": {}, "is_hw_owned": False}), "h264"]
