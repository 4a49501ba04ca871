"""Settings of aiortc for which it has no parameters."""

from __future__ import annotations

from typing import Any

import aioice.ice
from aiortc.codecs import h264, vpx

__all__ = ["prepare_aiortc"]

# Bits a second of the video sent to a visitor. aiortc's own limit for VP8 is 1.5 million, which gives 640×480 block
# artefacts when much moves, and it starts at a third of that. Its rate control goes below the start value on slow
# connections.
_START_BITRATE, _MAX_BITRATE = 2_500_000, 6_000_000
_LOOPBACK = "127.0.0.1"

_host_addresses = aioice.ice.get_host_addresses


def prepare_aiortc() -> None:
    """Raise the bit rates, and offer the loopback address where the machine has no other. Once in a process."""
    codecs: list[Any] = [vpx, h264]
    for codec in codecs:
        codec.DEFAULT_BITRATE, codec.MAX_BITRATE = _START_BITRATE, _MAX_BITRATE
    aioice.ice.get_host_addresses = _host_addresses_or_loopback


def _host_addresses_or_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return _host_addresses(use_ipv4, use_ipv6) or [_LOOPBACK]
