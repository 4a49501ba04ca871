"""The streams beside the video: copied, encoded anew where the output refuses them, or left out by name."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from streamseg.media.reading.dump import ffmpeg_words
from streamseg.media.writing.companions.audio import Reencoded, encoder_layouts, encoder_of
from streamseg.media.writing.companions.copied import Copy, has_adts
from streamseg.media.writing.companions.describe import name_of
from streamseg.media.writing.companions.layouts import take_layout

__all__ = ["Companion", "add_companion"]

# libavformat has no list for MPEG-TS; its muxer has stream types for these.
_MPEGTS_CODECS = frozenset({"aac", "ac3", "eac3", "mp2", "mp3", "opus", "dts", "dvb_subtitle"})
# Codecs that muxers list but reject, or that hardly any player supports in that container.
_UNSUPPORTED = {"mov": ("flac", "opus", "vorbis", "truehd"), "mp4": ("pcm_", "truehd", "vorbis")}
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
    if source.type == "audio" and not source.codec_context:
        reason = "no decoder knows it"
    return f"{name} left out: {reason}"


def _not_copied(output: OutputContainer, source: Stream) -> str | None:
    """Why its packets cannot be copied, by what is known of containers; None if that may work."""
    container = output.format.name
    context: Any = source.codec_context
    if source.type == "attachment":  # dropped by WebM without a word
        return None if container == "matroska" else f"{container} cannot hold it"
    if source.type == "data" and not _takes_data(container, source):
        return f"{container} cannot hold it"
    if context is None:
        # Only these name a codec without a header of its own, which has been lost.
        names_it = source.type != "audio" or container in ("mp4", "mov")
        return None if names_it else "no decoder knows it"
    codec = context.codec.canonical_name
    known = _MPEGTS_CODECS if container == "mpegts" else output.supported_codecs
    unsupported = codec.startswith(_UNSUPPORTED.get(container, ())) or codec not in known
    adts = container == "avi" and has_adts(source)
    return f"{container} cannot hold {'it' if source.type != 'audio' else codec}" if unsupported or adts else None


def _takes_data(container: str, source: Stream) -> bool:
    """Whether players find a data track again: others lose its kind, or fill up with empty packets."""
    kind, origin = getattr(source, "name", None), source.container.format.name
    if container == "mpegts":
        return kind != "bin_data" or "mpegts" in origin
    return container in ("mp4", "mov") and "mp4" in origin


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
