"""The streams beside the video: copied, encoded anew where the output refuses them, or left out by name."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from streamseg.media.writing.audio import Reencoded, encoder_layouts, encoder_of
from streamseg.media.writing.describe import damaged_packets, describe
from streamseg.media.writing.layouts import take_layout

__all__ = ["Companion", "add_companion", "ffmpeg_words", "name_of"]

# libavformat has no list for MPEG-TS; its muxer has stream types for these.
_MPEGTS_CODECS = frozenset({"aac", "ac3", "eac3", "mp2", "mp3", "opus", "dts", "dvb_subtitle"})
# Codecs that muxers list but reject, or that hardly any player supports in that container.
_UNSUPPORTED = {"mov": ("flac", "opus", "vorbis", "truehd"), "mp4": ("pcm_", "truehd")}
_DUMPED = re.compile(r"^\s*Stream #0:(\d+).*?\((\S{4}) / 0x", re.MULTILINE)
_ERRORS = (av.error.FFmpegError, OSError, ValueError, RuntimeError)


class Companion(Protocol):
    """A stream of the output beside the video."""

    @property
    def name(self) -> str:
        """What a user calls it."""
        ...

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
    """Add a stream for ``source`` to ``output``. Returns a warning instead if nothing makes the container take it.

    Every way is tried on a file in memory first: a stream that has been added cannot be taken back.
    """
    name, container = name_of(source), output.format.name
    if isinstance(source, AudioStream) and source.codec_context:
        layout = take_layout(source.codec_context)
        if not layout.channels or not source.codec_context.sample_rate:
            return f"{name} left out: it has no sound"
    reason = _not_copied(output, source)
    if reason is None and (reason := _refusal(container, lambda target: Copy(target, source))) is None:
        return Copy(output, source)
    if isinstance(source, AudioStream) and source.codec_context:
        for candidate in encoder_layouts(encoder_of(container), layout):

            def add(target: OutputContainer, candidate: str = candidate, why: str = str(reason)) -> Reencoded:
                return Reencoded(target, source, layout, candidate, name, why)

            if _refusal(container, add) is None:
                return add(output)
    return f"{name} left out: {reason}"


def name_of(stream: Stream) -> str:
    """Kind, codec and number of a stream, for messages."""
    if stream.codec_context:
        codec = stream.codec_context.codec.canonical_name
    else:
        codec = getattr(stream, "name", None) or _tag(stream) or "unknown"
    return f"{stream.type} ({codec}, stream {stream.index})"


def _tag(stream: Stream) -> str | None:
    """The four letters by which the container names a codec that FFmpeg does not know."""
    container: Any = stream.container
    with ffmpeg_words(av.logging.INFO):
        streams = _DUMPED.findall(container.dumps_format())
    return next((tag for index, tag in streams if int(index) == stream.index), None)


@contextmanager
def ffmpeg_words(level: int = av.logging.ERROR) -> Iterator[list[Any]]:
    """FFmpeg's messages of this thread, (level, name, message) each; for short calls before other threads run."""
    before = av.logging.get_level()
    av.logging.set_level(level)
    try:
        with av.logging.Capture() as messages:
            yield messages
    finally:
        av.logging.set_level(before)


def _not_copied(output: OutputContainer, source: Stream) -> str | None:
    """Why its packets cannot be copied, by what is known of containers; None if that may work."""
    container = output.format.name
    context: Any = source.codec_context
    if source.type == "attachment":  # dropped by WebM without a word
        return None if container == "matroska" else f"{container} cannot hold it"
    if source.type == "data" and not _takes_data(container, source):
        return f"{container} cannot hold it"
    if context is None:
        return "no decoder knows it" if source.type == "audio" else None
    codec = context.codec.canonical_name
    known = _MPEGTS_CODECS if container == "mpegts" else output.supported_codecs
    unsupported = codec.startswith(_UNSUPPORTED.get(container, ())) or codec not in known
    adts = container == "avi" and _has_adts(source)
    return f"{container} cannot hold {'it' if source.type != 'audio' else codec}" if unsupported or adts else None


def _takes_data(container: str, source: Stream) -> bool:
    """Whether players find a data track again: others lose its kind, or fill up with empty packets."""
    return container == "mpegts" or (container in ("mp4", "mov") and "mp4" in source.container.format.name)


def _refusal(container: str, add: Callable[[OutputContainer], Any]) -> str | None:
    """What FFmpeg says against a stream; None if it accepts it."""
    with ffmpeg_words() as words:
        try:
            scratch = av.open(io.BytesIO(), "w", format=container)
            try:
                add(scratch).rehearse()
                scratch.start_encoding()
            finally:
                with suppress(*_ERRORS):
                    scratch.close()
        except _ERRORS as error:
            reason = getattr(error, "strerror", None) or str(error)
        else:
            return None
    said = words[-1][2].strip().rstrip(".") if words else reason
    return f"{container} refuses it ({said})"


class Copy:
    """Passes packets on, unchanged but for a header in every packet that the container does not take."""

    note: str | None = None

    def __init__(self, output: OutputContainer, source: Stream) -> None:
        self.name = name_of(source)
        self._target = output.add_stream_from_template(source)
        # The muxer's own filter does not run while the index waits for the first packets.
        bare = output.format.name in ("mp4", "mov") and _has_adts(source)
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


def _has_adts(source: Stream) -> bool:
    """Whether every packet begins with a header, and there is none for all."""
    context: Any = source.codec_context
    return context is not None and context.codec.canonical_name == "aac" and not context.extradata
