"""The other streams of a file: copied packet by packet, or sound encoded anew where it must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

__all__ = ["Companion", "add_companion"]

# libavformat gives no list for MPEG-TS; these are what its muxer has stream types for.
_MPEGTS = frozenset({"aac", "ac3", "eac3", "mp2", "mp3", "opus", "dts", "dvb_subtitle"})
_AUDIO_ENCODERS = {"webm": "libopus", "avi": "libmp3lame"}
_OPUS_RATE = 48_000
_BIT_RATE_PER_CHANNEL = 96_000


class Companion(Protocol):
    """A stream of the output beside the video."""

    @property
    def note(self) -> str | None:
        """A sentence for the user, if there is something to say."""
        ...

    def packets(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        """What to write for a packet of the source; None flushes."""
        ...


def add_companion(output: OutputContainer, source: Stream) -> Companion | str:
    """Add a stream for ``source`` to ``output``; a sentence instead where that is impossible."""
    codec = source.codec_context.codec.canonical_name
    if codec in _supported(output):
        return _Copy(output, source)
    if isinstance(source, AudioStream):
        return _Reencoded(output, source)
    return f"{source.type} ({codec}) left out: {output.format.name} cannot hold it"


def _supported(output: OutputContainer) -> frozenset[str]:
    return _MPEGTS if output.format.name == "mpegts" else frozenset(output.supported_codecs)


def _describe(target: Stream, source: Stream) -> None:
    target.metadata.update(
        {k: v for k, v in source.metadata.items() if k in ("language", "title", "handler_name")}
    )
    target.disposition = source.disposition


class _Copy:
    """Packets pass untouched."""

    note: str | None = None

    def __init__(self, output: OutputContainer, source: Stream) -> None:
        self._target = output.add_stream_from_template(source)
        _describe(self._target, source)

    def packets(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        if packet is not None:
            packet.stream = self._target
            yield packet


class _Reencoded:
    """Sound decoded and encoded for a container that cannot hold the source's codec."""

    def __init__(self, output: OutputContainer, source: AudioStream) -> None:
        name = _AUDIO_ENCODERS.get(output.format.name, "aac")
        rate = _OPUS_RATE if name == "libopus" else source.codec_context.sample_rate
        layout = source.codec_context.layout.name
        stream = output.add_stream(name, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        self._target = stream
        self._target.bit_rate = _BIT_RATE_PER_CHANNEL * source.codec_context.channels
        _describe(self._target, source)
        self._resampler = av.AudioResampler(stream.codec_context.format or "fltp", layout, rate)
        was = source.codec_context.codec.canonical_name
        self.note = (
            f"sound encoded anew: {output.format.name} cannot hold {was}, now {name.removeprefix('lib')}"
        )

    def packets(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        frames: list[Any] = packet.decode() if packet is not None else [None]
        for frame in frames:
            for resampled in self._resampler.resample(frame):
                yield from self._target.encode(resampled)
        if packet is None:
            yield from self._target.encode(None)
