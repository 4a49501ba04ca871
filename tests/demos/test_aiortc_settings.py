"""The browser's video: how it begins, and when its frames are complete."""

from __future__ import annotations

import pytest

pytest.importorskip("aiortc")

from aiortc.rtp import RtpPacket
from streamseg.demos.live.aiortc_settings import PromptJitterBuffer, with_start_bitrate


def packet(number, timestamp, data, marker=False):
    made = RtpPacket(sequence_number=number % 65536, timestamp=timestamp, marker=int(marker))
    made._data = data
    return made


@pytest.fixture
def buffer() -> PromptJitterBuffer:
    return PromptJitterBuffer(capacity=16, is_video=True)


def frames(buffer, *packets):
    """What comes out with each packet."""
    return [frame and (frame.data, frame.timestamp) for _, frame in map(buffer.add, packets)]


def test_a_frame_comes_with_its_marked_packet(buffer):
    # Sequence numbers wrap around.
    first = packet(65534, 7, b"a"), packet(65535, 7, b"b"), packet(65536, 7, b"c", marker=True)
    assert frames(buffer, *first) == [None, None, (b"abc", 7)]
    assert frames(buffer, packet(65537, 9, b"d", marker=True)) == [(b"d", 9)]


def test_a_packet_that_comes_late_completes_its_frame(buffer):
    start = packet(1, 7, b"x", marker=True)
    assert frames(buffer, start, packet(4, 9, b"c", marker=True), packet(2, 9, b"a")) == [(b"x", 7), None, None]
    assert frames(buffer, packet(3, 9, b"b")) == [(b"abc", 9)]


def test_padding_behind_a_frame_is_no_frame(buffer):
    padding = packet(2, 7, b""), packet(3, 7, b"")
    got = frames(buffer, packet(1, 7, b"a", marker=True), *padding, packet(4, 9, b"b"), packet(5, 9, b"c", marker=True))
    assert got == [(b"a", 7), None, None, None, (b"bc", 9)]


def test_without_marks_a_frame_ends_where_the_next_begins(buffer):
    got = frames(buffer, packet(1, 7, b"a"), packet(2, 7, b"b"), packet(3, 9, b"c"), packet(4, 9, b"d", marker=True))
    assert got == [None, None, (b"ab", 7), (b"cd", 9)]


def test_a_lost_packet_is_waited_for_until_the_buffer_is_full(buffer):
    assert frames(buffer, packet(1, 7, b"x", marker=True), packet(3, 9, b"b", marker=True)) == [(b"x", 7), None]
    for number in range(4, 18):
        assert buffer.add(packet(number, number + 7, b"y", marker=True)) == (False, None)
    key_frame_wanted, frame = buffer.add(packet(18, 25, b"y", marker=True))
    assert key_frame_wanted and frame is not None


def test_an_answer_tells_the_browser_how_its_vp8_begins():
    answer = "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
    begin, _, rest = answer.partition("a=rtcp-fb")
    assert with_start_bitrate(answer) == f"{begin}a=fmtp:96 x-google-start-bitrate=2500\r\na=rtcp-fb{rest}"
