"""Streams whose packets are copied."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from streamseg.media.reading.dump import codec_of, sample_rate_of
from streamseg.media.writing.companions.describe import damaged_packets, describe, name_of

__all__ = ["Copy", "has_adts"]


class Copy:
    """Passes packets on, unchanged but for a header in every packet that the container does not take."""

    note: str | None = None

    def __init__(self, output: OutputContainer, source: Stream) -> None:
        self.name = name_of(source)
        is_unknown = source.type == "audio" and not source.codec_context
        self._target = _add_unknown(output, source) if is_unknown else output.add_stream_from_template(source)
        # The muxer's own filter does not run while the index waits for the first packets.
        bare = output.format.name in ("mp4", "mov") and has_adts(source)
        self._filter = BitStreamFilterContext("aac_adtstoasc", source) if bare else None
        self._damaged = 0
        describe(self._target, source)

    def rehearse(self) -> None:
        """Nothing but the container decides."""

    @property
    def damage(self) -> str | None:
        return damaged_packets(self.name, self._damaged)

    def packets(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        for each in self._bare(packet) if packet is not None else ():
            each.stream = self._target
            yield each

    def _bare(self, packet: Packet[Any]) -> list[Packet[Any]]:
        if self._filter is None:
            return [packet]
        time_base = packet.time_base
        try:
            filtered = self._filter.filter(packet)
        except av.error.FFmpegError:
            self._damaged += 1
            return []
        for each in filtered:
            each.time_base = time_base
        return filtered


def _add_unknown(output: OutputContainer, source: Stream) -> Stream:
    """A stream for audio that FFmpeg knows, but has no decoder for. Raises ValueError if it does not know it."""
    return output.add_mux_stream(
        codec_of(source) or "unknown", sample_rate_of(source), time_base=source.time_base or Fraction(1, 1000)
    )


def has_adts(source: Stream) -> bool:
    """Whether every packet begins with a header, and there is none for all."""
    context: Any = source.codec_context
    return context is not None and context.codec.canonical_name == "aac" and not context.extradata
