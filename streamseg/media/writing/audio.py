"""The streams beside the video: packets are copied, or audio is re-encoded where the container requires it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

__all__ = ["Companion", "add_companion"]

# libavformat has no list for MPEG-TS; its muxer has stream types for these.
_MPEGTS_CODECS = frozenset({"aac", "ac3", "eac3", "mp2", "mp3", "opus", "dts", "dvb_subtitle"})
_AUDIO_ENCODERS = {"webm": "libopus", "avi": "libmp3lame"}
_DEFAULT_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
# Opus has one layout for each number of channels: "5.1" for "5.1(side)" too.
_OPUS_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_OPUS_RATE = 48_000
# Codecs that muxers list but reject, or that hardly any player supports in that container.
_UNSUPPORTED = {"mov": ("flac", "opus", "vorbis"), "mp4": ("pcm_",)}
_MIN_GAP_S = Fraction(1, 50)
_BIT_RATE_PER_CHANNEL = 96_000


class Companion(Protocol):
    """A stream of the output beside the video."""

    @property
    def note(self) -> str | None:
        """A warning about how the stream is written, if there is one."""
        ...

    @property
    def damage(self) -> str | None:
        """At the end: a warning about packets that could not be decoded, if there were any."""
        ...

    def packets(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        """The packets to write for a packet of the source; None flushes the encoder."""
        ...


def add_companion(output: OutputContainer, source: Stream) -> Companion | str:
    """Add a stream for ``source`` to ``output``. Returns a warning instead if the container does not support it."""
    codec = source.codec_context.codec.canonical_name
    if _supports(output, codec):
        return _Copy(output, source)
    if isinstance(source, AudioStream):
        return _Reencoded(output, source)
    return f"{source.type} ({codec}) left out: {output.format.name} cannot hold it"


def _supports(output: OutputContainer, codec: str) -> bool:
    container = output.format.name
    if codec.startswith(_UNSUPPORTED.get(container, ())):
        return False
    return codec in (_MPEGTS_CODECS if container == "mpegts" else output.supported_codecs)


def _describe(target: Stream, source: Stream) -> None:
    target.metadata.update({k: v for k, v in source.metadata.items() if k in ("language", "title", "handler_name")})
    target.disposition = source.disposition


def _layout(encoder: str, source: AudioStream) -> str:
    """The channel layout for the encoder; by the number of channels if the source does not specify its layout."""
    channels, name = source.codec_context.channels, source.codec_context.layout.name
    if encoder == "libmp3lame":
        return "mono" if channels == 1 else "stereo"
    if encoder == "libopus":
        return _OPUS_LAYOUTS.get(channels, "stereo")
    return _DEFAULT_LAYOUTS.get(channels, name) if name.endswith("channels") else name


class _Copy:
    """Passes packets on unchanged."""

    note: str | None = None
    damage: str | None = None

    def __init__(self, output: OutputContainer, source: Stream) -> None:
        self._target = output.add_stream_from_template(source)
        _describe(self._target, source)

    def packets(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        if packet is not None:
            packet.stream = self._target
            yield packet


class _Reencoded:
    """Re-encodes audio for a container that does not support the source's codec."""

    def __init__(self, output: OutputContainer, source: AudioStream) -> None:
        name = _AUDIO_ENCODERS.get(output.format.name, "aac")
        rate = _OPUS_RATE if name == "libopus" else _rate(name, source.codec_context.sample_rate)
        layout = _layout(name, source)
        stream = output.add_stream(name, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        self._target = stream
        self._target.bit_rate = _BIT_RATE_PER_CHANNEL * stream.codec_context.channels
        _describe(self._target, source)
        self._resampler = av.AudioResampler(stream.codec_context.format or "fltp", layout, rate)
        self._damaged = 0
        self._end: Fraction | None = None
        codec = source.codec_context.codec.canonical_name
        self.note = f"audio re-encoded as {name.removeprefix('lib')}: {output.format.name} cannot hold {codec}"

    @property
    def damage(self) -> str | None:
        return f"damaged audio: {self._damaged} packets skipped" if self._damaged else None

    def packets(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        frames: list[Any] = self._decode(packet) if packet is not None else [None]
        for frame in frames:
            for gapless in self._fill_gap(frame):
                for resampled in self._resampler.resample(gapless):
                    yield from self._target.encode(resampled)
        if packet is None:
            yield from self._target.encode(None)

    def _fill_gap(self, frame: Any) -> Iterator[Any]:
        """Silence for the time since the frame before, and the frame: encoders ignore gaps between time stamps."""
        if frame is not None and frame.pts is not None:
            start, rate = frame.pts * frame.time_base, frame.sample_rate
            while self._end is not None and start - self._end > _MIN_GAP_S:
                samples = min(rate, round((start - self._end) * rate))
                yield _silence(frame, samples, round(self._end / frame.time_base))
                self._end += Fraction(samples, rate)
            self._end = start + Fraction(frame.samples, rate)
        yield frame

    def _decode(self, packet: Packet[Any]) -> list[Any]:
        try:
            return packet.decode()
        except av.error.FFmpegError:
            self._damaged += 1
            return []


def _silence(like: Any, samples: int, pts: int) -> av.AudioFrame:
    silence = av.AudioFrame(like.format.name, like.layout.name, samples)
    zero = b"\x80" if like.format.name.startswith("u8") else b"\0"
    for plane in silence.planes:
        plane.update(zero * plane.buffer_size)
    silence.sample_rate, silence.pts, silence.time_base = like.sample_rate, pts, like.time_base
    return silence


def _rate(encoder: str, rate: int) -> int:
    """The sample rate closest to ``rate`` that the encoder supports."""
    return min(av.Codec(encoder, "w").audio_rates or [rate], key=lambda known: abs(known - rate))
