"""Settings of aiortc for which it has no parameters, and what it does later than it could."""

from __future__ import annotations

import re
from typing import Any

import aioice.ice
import aiortc.rtcrtpreceiver
from aiortc.codecs import h264, vpx
from aiortc.jitterbuffer import JitterBuffer, JitterFrame

__all__ = ["PromptJitterBuffer", "prepare_aiortc", "with_start_bitrate"]

# Bits a second of the video sent to a visitor. aiortc's own limit for VP8 is 1.5 million, which gives 640×480 block
# artefacts when much moves, and it starts at a third of that. Its rate control goes below the start value on slow
# connections.
_START_BITRATE, _MAX_BITRATE = 2_500_000, 6_000_000
_LOOPBACK = "127.0.0.1"

# A browser begins with 300,000 bits a second, in which 640×480 does not fit: it sends 480×360, and stays there.
_BROWSER_START = f"x-google-start-bitrate={_START_BITRATE // 1000}"
_VP8 = re.compile(r"^a=rtpmap:(\d+) VP8/90000\r\n", re.MULTILINE)

_host_addresses = aioice.ice.get_host_addresses


def prepare_aiortc() -> None:
    """Raise the bit rates, take frames with their last packet, and offer the loopback address where the machine has no
    other. Once in a process."""
    codecs: list[Any] = [vpx, h264]
    for codec in codecs:
        codec.DEFAULT_BITRATE, codec.MAX_BITRATE = _START_BITRATE, _MAX_BITRATE
    aiortc.rtcrtpreceiver.JitterBuffer = PromptJitterBuffer  # type: ignore[attr-defined]
    aioice.ice.get_host_addresses = _host_addresses_or_loopback


def with_start_bitrate(answer: str) -> str:
    """An SDP answer that lets the browser's VP8 begin with as much as we do; Chromium heeds it, others pass it over."""
    return _VP8.sub(lambda found: f"{found[0]}a=fmtp:{found[1]} {_BROWSER_START}\r\n", answer)


class PromptJitterBuffer(JitterBuffer):
    """Gives a video frame with its last packet, which has the marker bit (RFC 7741, section 4.1).

    aiortc waits for the first packet of the next frame, which comes a frame's duration later.
    """

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        packets = self._first_packets() if self._is_video else []
        while packets and not packets[0]._data:  # padding, which a browser sends behind a frame, with its time stamp
            self.remove(1)
            packets = self._first_packets()
        if not packets or not packets[-1].marker:
            return super()._remove_frame(sequence_number)
        self.remove(len(packets))
        return JitterFrame(b"".join(packet._data for packet in packets), packets[0].timestamp)

    def _first_packets(self) -> list[Any]:
        """The packets of the oldest frame, without a gap, up to the marked one."""
        packets: list[Any] = []
        first = self._origin or 0
        for number in range(first, first + self.capacity):
            packet: Any = self._packets[number % self.capacity]
            if packet is None or (packets and packet.timestamp != packets[0].timestamp):
                break
            packets.append(packet)
            if packet.marker:
                break
        return packets


def _host_addresses_or_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return _host_addresses(use_ipv4, use_ipv6) or [_LOOPBACK]
