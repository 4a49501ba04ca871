"""Cover images of files."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

__all__ = ["Cover", "add_cover"]

_KINDS = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png"), "bmp": ("bmp", "image/bmp")}


@dataclass(frozen=True, slots=True)
class Cover:
    """An image that belongs to a file.

    Attributes:
        stream: of the source.
        data: the image, as the bytes of a file.
    """

    stream: Stream
    data: bytes


def add_cover(output: OutputContainer, cover: Cover) -> Packet[Any] | str | None:
    """Add a cover image to ``output``.

    Returns:
        A packet to be written first, None if there is none, or a warning if the container cannot hold it.
    """
    container, codec = output.format.name, cover.stream.codec_context.codec.canonical_name
    if container == "matroska" and codec in _KINDS:
        suffix, kind = _KINDS[codec]
        output.add_attachment(cover.stream.metadata.get("filename", f"cover.{suffix}"), kind, cover.data)
        return None
    if container != "mp4" or codec not in _KINDS:  # the MOV muxer drops it without a word
        return f"cover image ({codec}, stream {cover.stream.index}) left out: {container} cannot hold it"
    stream = output.add_stream_from_template(cover.stream, opaque=True)
    stream.disposition = Disposition.attached_pic
    packet: Packet[Any] = av.Packet(cover.data)
    packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 1000)
    packet.is_keyframe = True
    return packet
