"""What a stream beside the video takes over from its source, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
from av.stream import Stream

__all__ = ["damaged_packets", "describe", "ffmpeg_words", "name_of"]

_DUMPED = re.compile(r"^\s*Stream #0:(\d+).*?\((\S{4}) / 0x", re.MULTILINE)


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
