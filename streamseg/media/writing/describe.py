"""What a stream beside the video takes over from its source."""

from __future__ import annotations

from av.stream import Stream

__all__ = ["describe"]


def describe(target: Stream, source: Stream) -> None:
    """Give ``target`` the language, the names and the disposition of ``source``."""
    target.metadata.update({k: v for k, v in source.metadata.items() if k in ("language", "title", "handler_name")})
    target.disposition = source.disposition
