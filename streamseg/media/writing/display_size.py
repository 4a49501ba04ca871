"""The size at which players show a Matroska video whose pixels are not square."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

__all__ = ["set_display_size"]

# IDs of RFC 9559.
_SEGMENT, _TRACKS, _TRACK, _VIDEO, _CRC = 0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0xBF
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
# Tracks stand before the first frame.
_HEAD_BYTES = 1 << 20
# FFmpeg writes the size of a track in 8 bytes; 3 are enough, and leave 5: an ID, the length 2 and a number.
_WIDE, _NARROW, _LARGEST = 8, 3, 0xFFFF


class _Element(NamedTuple):
    """An element of EBML: its ID, where that and the content begin, and where the content ends."""

    kind: int
    start: int
    content: int
    end: int


def set_display_size(path: Path, width: int, height: int, sample_aspect_ratio: Fraction) -> bool:
    """Give the first video track of a Matroska file, which has none, the display size of its sample aspect ratio.

    PyAV has no way to tell it the muxer. The length of the file stays the same.

    Returns:
        False, and the file is unchanged, if it is written in another way than expected.
    """
    with path.open("r+b") as file:
        head = bytearray(file.read(_HEAD_BYTES))
        if sample_aspect_ratio > 1:
            kind, size = _DISPLAY_WIDTH, round(width * sample_aspect_ratio)
        else:
            kind, size = _DISPLAY_HEIGHT, round(height / sample_aspect_ratio)
        tracks = next((each for each in _below(head, _SEGMENT) if each.kind == _TRACKS), None)
        if tracks is None or size > _LARGEST or not _insert(head, tracks, kind, size):
            return False
        file.seek(0)
        file.write(head)
        return True


def _insert(head: bytearray, tracks: _Element, kind: int, size: int) -> bool:
    for track in _children(head, tracks):
        video = next((each for each in _children(head, track) if each.kind == _VIDEO), None)
        if video is None:
            continue
        known = {each.kind: each for each in _children(head, video)}
        is_expected = track.content - track.start == 1 + _WIDE and video.content - video.start == 2
        if not is_expected or {_DISPLAY_WIDTH, _DISPLAY_HEIGHT} & known.keys() or video.end - video.content > 100:
            return False
        if (unit := known.get(_DISPLAY_UNIT)) is not None:  # it says "unknown"
            head[unit.content : unit.end] = bytes(unit.end - unit.content)
        added = kind.to_bytes(2, "big") + b"\x82" + size.to_bytes(2, "big")
        length = track.end - track.content + len(added)
        narrow = ((1 << (7 * _NARROW)) | length).to_bytes(_NARROW, "big")
        before = head[track.content : video.start]
        content = head[video.content : video.end] + added
        new = bytes([_TRACK]) + narrow + before + bytes([_VIDEO, 0x80 | len(content)]) + content
        head[track.start : video.end] = new
        _renew_checksum(head, tracks)
        return True
    return False


def _renew_checksum(head: bytearray, parent: _Element) -> None:
    first = next(_children(head, parent))
    if first.kind == _CRC:
        head[first.content : first.end] = zlib.crc32(head[first.end : parent.end]).to_bytes(4, "little")


def _below(head: bytearray, kind: int) -> Iterator[_Element]:
    for element in _children(head, _Element(0, 0, 0, len(head))):
        if element.kind == kind:
            yield from _children(head, element)


def _children(head: bytearray, parent: _Element) -> Iterator[_Element]:
    at = parent.content
    while at < min(parent.end, len(head)) - 1:
        kind_length, _ = _length(head[at])
        size_at = at + kind_length
        if size_at >= len(head):
            return
        size_length, mask = _length(head[size_at])
        size = int.from_bytes(head[size_at : size_at + size_length], "big") & mask
        content = size_at + size_length
        end = parent.end if size == mask else content + size  # all ones: up to the end
        yield _Element(int.from_bytes(head[at:size_at], "big"), at, content, end)
        at = end


def _length(first: int) -> tuple[int, int]:
    """Bytes of a number by its first one, and the mask of its value."""
    length = 9 - max(1, first.bit_length())
    return length, (1 << (7 * length)) - 1
