"""What a stream beside the video takes over from its source, and what is said of it."""

from __future__ import annotations

from av.stream import Stream

from streamseg.media.reading.dump import codec_of

__all__ = ["damaged_packets", "describe", "name_of"]


def describe(target: Stream, source: Stream) -> None:
    """Give ``target`` the language, the names and the disposition of ``source``."""
    target.metadata.update({k: v for k, v in source.metadata.items() if k in ("language", "title", "handler_name")})
    target.disposition = source.disposition


def damaged_packets(name: str, count: int) -> str | None:
    """The warning about packets of a stream that could not be used; None if there were none."""
    return f"{name}: damaged audio: {count} packets skipped" if count else None


def name_of(stream: Stream) -> str:
    """Kind, codec and number of a stream, for messages."""
    if stream.codec_context:
        codec = stream.codec_context.codec.canonical_name
    else:
        codec = getattr(stream, "name", None) or codec_of(stream) or "unknown"
    return f"{stream.type} ({codec}, stream {stream.index})"
