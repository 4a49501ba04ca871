"""Closed captions within frames stay with their frames, or are named."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest
from av.sidedata.sidedata import Type

from streamseg.media.pixels.captions import CaptionWriter
from streamseg.media.pixels.side_data import side_data_of
from streamseg.media.writing.target import Encoding

TICK = Fraction(1, 25)
COUNT = 16


def caption(index):
    """The pair of bytes (CTA-608, field 1) of a frame, with the byte of its kind before it."""
    return b"\xfc\x94" + bytes([0x20 + index])


def caption_message(index):
    """An SEI message of ATSC A/53 user data, as a NAL unit of H.264."""
    data = b"\xb5\x00\x31GA94\x03\x41\xff" + caption(index) + b"\xff"
    return b"\0\0\0\1\x06\x04" + bytes([len(data)]) + data + b"\x80"


@pytest.fixture
def captioned(tmp_path, flat):
    """A transport stream with captions in every frame but the fifth, and with B frames."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, "yuv420p", TICK
    encoder.options = {"bf": "2", "preset": "ultrafast"}
    packets = []
    for index in [*range(COUNT), None]:
        native = None if index is None else flat(index, 64, 48, "yuv420p")
        if native is not None:
            native.pts, native.time_base = index, TICK
        packets += encoder.encode(native)
    path = tmp_path / "captions.ts"
    with av.open(str(path), "w") as output:
        stream = output.add_mux_stream("h264", rate=25, width=64, height=48, time_base=TICK)
        for packet in packets:
            message = b"" if packet.pts == 4 else caption_message(packet.pts)
            captioned = av.Packet(message + bytes(packet))
            captioned.pts, captioned.dts, captioned.time_base, captioned.stream = packet.pts, packet.dts, TICK, stream
            captioned.is_keyframe = packet.is_keyframe
            output.mux_one(captioned)
    return path


def captions_of(path):
    with av.open(str(path)) as container:
        return [side_data_of(native, Type.A53_CC) for native in container.decode(video=0)]


EXPECTED = [None if index == 4 else caption(index) for index in range(COUNT)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("out.mp4", None), ("out.mov", "h264"), ("out.mkv", None), ("out.ts", None), ("out.mp4", "h265")],
)
def test_captions_stay_with_their_frames(captioned, rewrite, name, codec):
    warnings: list[str] = []
    out = rewrite(captioned, name, encoding=Encoding(codec, preset="ultrafast"), warnings=warnings)
    assert captions_of(out) == EXPECTED
    assert not warnings


def test_captions_from_a_start_on(captioned, rewrite):
    assert captions_of(rewrite(captioned, "out.mp4", start=0.24)) == EXPECTED[6:]


def test_frames_are_not_changed_by_their_captions(captioned, rewrite, frames_of):
    before = frames_of(captioned)
    after = frames_of(rewrite(captioned, "out.mp4", encoding=Encoding(crf=0)))
    assert [frame.planes[0].mean() for frame in before] == pytest.approx([frame.planes[0].mean() for frame in after])


@pytest.mark.parametrize(("name", "codec"), [("out.mov", "prores_ks"), ("out.mkv", "ffv1")])
def test_encoders_without_captions_are_named(captioned, rewrite, name, codec):
    warnings: list[str] = []
    rewrite(captioned, name, encoding=Encoding(codec), warnings=warnings)
    assert warnings == [f"closed captions left out: {codec} cannot hold them"]


def test_captions_survive_another_layout_of_the_same_samples(captioned):
    """As NVENC wants 10 bits."""
    with av.open(str(captioned)) as container:
        native = next(container.decode(video=0))
    frame = CaptionWriter()(av.VideoFrame(96, 64, "yuv420p10le"), native).reformat(format="p010le")
    assert side_data_of(frame, Type.A53_CC) == caption(0)
