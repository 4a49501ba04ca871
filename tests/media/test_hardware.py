"""Decoding by a card: when it is used, when not and why; with a stand-in where there is no driver."""

from __future__ import annotations

import logging
import struct
from fractions import Fraction

import numpy as np
import pytest
from stand_in_decoder import LAYOUTS, install, semi_planar

from streamseg.errors import InputError, UnsupportedDevice
from streamseg.frame import Frame
from streamseg.media import hardware, reader
from streamseg.media.card_frame import CardFrame, is_on_card
from streamseg.media.hardware import CardDecoding, card_decoder, open_reader
from streamseg.media.native import wrap
from streamseg.media.reader import VideoReader

STAYS, COMES_DOWN = CardDecoding(stays=True), CardDecoding(stays=False)


def has_driver() -> bool:
    try:
        card_decoder(stays=False)
    except UnsupportedDevice:
        return False
    return True


without_driver = pytest.mark.skipif(has_driver(), reason="there is a driver")


@pytest.fixture
def driver(monkeypatch):
    """A stand-in whose pictures stay with it; the sources that it was opened for."""
    return install(monkeypatch)


def refusal(path, decoding=STAYS):
    with pytest.raises(UnsupportedDevice) as caught:
        open_reader(str(path), decoding=CardDecoding(decoding.stays, required=True))
    message = str(caught.value)
    assert message.startswith(f"--hwaccel cuda: {path}: ") and message.endswith("; use --hwaccel none")
    assert "\n" not in message
    return message


@without_driver
@pytest.mark.parametrize("decoding", [STAYS, COMES_DOWN], ids=["stays", "comes down"])
def test_a_machine_without_a_driver_says_so(make_clip, decoding):
    assert "no NVIDIA driver that decodes: Operation not permitted; see nvidia-smi" in refusal(
        make_clip("a.mp4"), decoding
    )


@without_driver
def test_auto_falls_back_with_one_line_and_all_frames(make_clip, frames_of, caplog):
    path = make_clip("a.mp4")
    with caplog.at_level(logging.WARNING, "streamseg"), open_reader(str(path), decoding=STAYS) as reader:
        frames = [frame for frame in reader if isinstance(frame, Frame)]
    assert [record.message for record in caplog.records] == [
        "streamseg: hwaccel auto: the CPU decodes "
        "(no NVIDIA driver that decodes: Operation not permitted; see nvidia-smi)"
    ]
    assert [frame.pts for frame in frames] == [frame.pts for frame in frames_of(path)]


@pytest.mark.parametrize(
    "clip, says",
    [
        ({"codec": "ffv1", "name": "a.mkv"}, "no NVIDIA card decodes ffv1"),
        ({"codec": "prores_ks", "name": "a.mov", "pixel_format": "yuv422p10le"}, "no NVIDIA card decodes prores"),
        ({"pixel_format": "yuv444p"}, "pixel format yuv444p: cards decode 4:2:0 of 8 or 10 bits here"),
        ({"pixel_format": "yuv422p10le"}, "pixel format yuv422p10le: cards decode 4:2:0 of 8 or 10 bits here"),
        ({"codec": "mpeg4", "size": (63, 48)}, "63×48 is an odd size, which only the CPU's way has whole"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_card_decodes_is_known_without_one(make_clip, driver, clip, says):
    assert says in refusal(make_clip(**{"name": "a.mp4", **clip}))
    assert driver == []  # the driver was not even asked


def test_alpha_is_the_cpus(make_clip, driver, rewrite):
    path = rewrite(make_clip("a.mkv", codec="ffv1", pixel_format="yuva420p"), "b.webm", alpha=True)
    assert "a card's decoder would drop the alpha" in refusal(path)


def test_pictures_to_be_turned_are_the_cpus(make_clip, driver):
    clip = make_clip("a.mp4")
    data = bytearray(clip.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    clip.write_bytes(data)
    assert "its pictures have to be turned upright" in refusal(clip)


def test_a_pipe_is_read_once(make_clip, monkeypatch, driver):
    monkeypatch.setattr(hardware, "reads_once", lambda source: True)
    assert "what comes from a pipe can be read only once" in refusal(make_clip("a.mp4"))


@pytest.mark.parametrize("options", [{}, {"start": 0.2}, {"start": 0.12, "duration": 0.2}], ids=str)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv420p10le"])
def test_frames_that_stay_there_are_the_cpus(make_clip, driver, frames_of, pixel_format, options):
    """Samples bit for bit, times, colours, shape of pixels."""

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
        assert isinstance(mine, CardFrame) and is_on_card(mine.native)
        for name in ("format", "width", "height", "pts", "time_base", "colour", "sample_aspect_ratio", "time"):
            assert getattr(mine, name) == getattr(theirs, name), name
        assert mine.colour == shape.colour and mine.colour.full_range == (pixel_format == "yuvj420p")
        for one, other in zip(planes_of(mine), theirs.planes, strict=True):
            assert np.array_equal(one, other)


def planes_of(frame):
    planar = {layout: name for name, layout in LAYOUTS.items() if "j" not in name}[frame.native.format.name]
    return wrap(frame.native.reformat(format=planar), 0, Fraction(1)).planes


def test_frames_that_come_down_are_the_cpus(make_clip, monkeypatch, frames_of):
    opened = install(monkeypatch, stays=False)
    for pixel_format in ("yuv420p", "yuv420p10le"):
        path = make_clip(f"{pixel_format}.mp4", pixel_format=pixel_format)
        with open_reader(str(path), decoding=COMES_DOWN) as reader:
            got = list(reader)
        assert opened.pop() == str(path)
        for mine, theirs in zip(got, frames_of(path), strict=True):
            assert isinstance(mine, Frame) and mine.pts == theirs.pts and mine.colour == theirs.colour
            assert all(np.array_equal(one, other) for one, other in zip(mine.planes, theirs.planes, strict=True))


def test_frames_for_an_encoder_of_another_format_come_down(make_clip, driver, frames_of):
    path = make_clip("a.mp4", pixel_format="yuv420p10le")
    with VideoReader(str(path)) as plain, open_reader(str(path), decoding=STAYS) as reader:
        target = plain.info.shape.format.make(8, 1, 1)
        assert plain.deliver(target) == reader.deliver(target)
        for mine, theirs in zip(reader, plain, strict=True):
            assert isinstance(mine, Frame) and mine.format == target
            # swscale rounds what lies in planes and what lies in turns differently by one code
            off = [np.abs(a.astype(int) - b).max() for a, b in zip(mine.planes, theirs.planes, strict=True)]
            assert max(off) <= 1


def test_sound_and_subtitles_come_along(make_clip, driver, sound):
    path = make_clip("a.mp4", count=25, sounds=[sound()])
    packets = []
    for decoding in (None, STAYS):
        with open_reader(str(path), decoding=decoding) as reader:
            reader.copied = reader.container.streams.audio
            packets.append([item.pts for item in reader if not isinstance(item, Frame | CardFrame)])
    assert packets[0] == packets[1] and len(packets[0]) > 10


def test_a_video_that_the_driver_leaves_to_ffmpeg_is_not_taken_for_the_cards(make_clip, monkeypatch):
    install(monkeypatch)
    monkeypatch.setattr("stand_in_decoder.LAYOUTS", {})
    assert "the driver does not decode h264 High of this kind" in refusal(make_clip("a.mp4", options={"crf": "10"}))


def test_pictures_that_are_not_the_cpus_are_not_taken(make_clip, monkeypatch):
    """As of a clip that is cropped at its left: FFmpeg has a card cut the right and the bottom only."""
    install(monkeypatch)
    monkeypatch.setattr(
        "stand_in_decoder.semi_planar", lambda native: semi_planar(native.reformat(native.width + 2, native.height))
    )
    assert "the driver's pictures are not the CPU's (66×48 at 0, not 64×48 at 0)" in refusal(make_clip("a.mp4"))


def test_a_driver_that_decodes_nothing_is_a_reason_too(make_clip, monkeypatch, caplog):
    """As where the card's memory is full: FFmpeg opens it, and no picture comes."""
    install(monkeypatch)
    path = str(make_clip("a.mp4"))
    opened = reader.open_input

    def fails(source, decoder=None):
        if decoder is not None:
            raise InputError(f"{source}: no picture could be decoded (Generic error in an external library)")
        return opened(source)

    monkeypatch.setattr(reader, "open_input", fails)
    assert "the driver decodes nothing of it: " in refusal(path)
    with open_reader(path, decoding=STAYS) as fallen_back:
        assert all(isinstance(frame, Frame) for frame in fallen_back)
    assert "the CPU decodes (the driver decodes nothing of it" in caplog.text


def test_the_context_is_the_one_that_torch_opened(monkeypatch):
    """FFmpeg's own way to the primary context fails where torch was there first, with other flags."""
    made = []

    class Settings:
        def __init__(self, device_type, **options):
            made.append((device_type, options))

        def create(self, codec):
            made.append(codec.name)

    monkeypatch.setattr(hardware, "HWAccel", Settings)
    card_decoder(stays=True)
    card_decoder(stays=False)
    there = {"allow_software_fallback": True, "options": {"primary_ctx": "0", "current_ctx": "1"}, "is_hw_owned": True}
    assert made[:2] == [("cuda", there), "h264"]
    assert made[2:] == [("cuda", {**there, "options": {}, "is_hw_owned": False}), "h264"]
