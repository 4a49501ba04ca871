"""What has to be decoded before the first frame that is wanted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from av.packet import Packet

__all__ = ["from_key_frame"]

# Frames that are shown before a key frame but stored after it depend on the one before that.
_KEY_FRAMES = 2
# With fewer key frames than that, everything is decoded.
_MOST = 3000


def from_key_frame(packets: Iterator[Packet[Any]], video: int, first: float) -> Iterator[Packet[Any]]:
    """``packets`` from the last but one key frame before ``first`` on.

    Args:
        packets: in the order of the file.
        video: index of the stream that is decoded.
        first: time in seconds of the first frame that is wanted.
    """
    waiting: deque[Packet[Any]] = deque()
    keys: deque[int] = deque()  # how many packets precede each key frame that waits
    dropped = 0
    for packet in packets:
        waiting.append(packet)
        stamp = packet.dts if packet.pts is None else packet.pts
        if packet.stream.index != video or stamp is None:
            continue
        if stamp * packet.time_base >= first or len(waiting) > _MOST:
            break
        if packet.is_keyframe:
            keys.append(dropped + len(waiting) - 1)
        if len(keys) > _KEY_FRAMES:
            keys.popleft()
            while dropped < keys[0]:
                waiting.popleft()
                dropped += 1
    yield from waiting
    yield from packets
