"""What aiortc is told that it has no parameters for."""

from __future__ import annotations

from typing import Any

import aioice.ice
from aiortc.codecs import h264, vpx

__all__ = ["prepare_aiortc"]

# Bits a second of the video sent to a visitor. aiortc stops at 1.5 million for VP8, at which 640×480 turns to blocks
# when much moves, and begins at a third of that. Its own control goes below the first where the visitor's line is slow.
_FIRST_BITRATE, _MOST_BITRATE = 2_500_000, 6_000_000
_LOOPBACK = "127.0.0.1"

_host_addresses = aioice.ice.get_host_addresses


def prepare_aiortc() -> None:
    """Raise the bit rates, and offer the loopback address where the machine has no other. Once in a process."""
    codecs: list[Any] = [vpx, h264]
    for codec in codecs:
        codec.DEFAULT_BITRATE, codec.MAX_BITRATE = _FIRST_BITRATE, _MOST_BITRATE
    aioice.ice.get_host_addresses = _or_loopback


def _or_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return _host_addresses(use_ipv4, use_ipv6) or [_LOOPBACK]
