"""How long a file says it is, at its beginning: where it is shorter, it was cut off."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["missing_bytes", "second_start"]

_SEGMENT = b"\x18\x53\x80\x67"  # of Matroska
# The header and the data of ASF, by the first bytes of their GUIDs.
_ASF_HEADER, _ASF_DATA = b"\x30\x26\xb2\x75", b"\x36\x26\xb2\x75"
_FLV, _TAG_BYTES = b"FLV\x01", 64
# Writers count padding at the end in different ways.
_SLACK = 16


def missing_bytes(path: Path) -> int:
    """How many bytes are missing at the end of an MP4, MOV, Matroska, AVI or ASF file.

    Returns:
        0 where nothing is missing, the file does not say how long it is, or it is of another format or no plain file.
    """
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            missing = _announced_end(file, length) - length
    except (OSError, ValueError):
        return 0
    return missing if missing > _SLACK else 0


def second_start(path: Path, end: int) -> int:
    """Where a second recording begins in the same file, as after ``cat a.mp4 b.mp4``: FFmpeg does not read all of it.

    Args:
        end: where the last packet ends that was read.

    Returns:
        0 where there is none, in other formats than MP4, MOV, FLV and ASF, and for what is no plain file.
    """
    try:
        with path.open("rb") as file:
            return _second_start(file, file.seek(0, os.SEEK_END), end)
    except (OSError, ValueError):
        return 0


def _second_start(file: BinaryIO, length: int, end: int) -> int:
    file.seek(0)
    head = file.read(8)
    if head[:4] == _FLV:
        file.seek(end)
        at = file.read(_TAG_BYTES).find(_FLV)
        return end + at if at >= 0 else 0
    if head[:4] == _ASF_HEADER:
        starts = (start for start, name in _asf_objects(file, length) if name == _ASF_HEADER and start)
    elif head[4:8] == b"ftyp":
        starts = (start for start, name, _ in _boxes(file, length) if name == b"ftyp" and start)
    else:
        return 0
    return next(starts, 0)


def _asf_objects(file: BinaryIO, length: int) -> Iterator[tuple[int, bytes]]:
    """Where the objects of the highest level begin, and the first bytes of their GUIDs."""
    start = 0
    while start + 24 <= length:
        file.seek(start)
        head = file.read(24)
        yield start, head[:4]
        start += max(24, int.from_bytes(head[16:], "little"))


def _announced_end(file: BinaryIO, length: int) -> int:
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little")
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _end_of_segment(file)
    if head[:4] == _ASF_HEADER:
        return _end_of_asf(file)
    return _end_of_boxes(file, length) if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip") else 0


def _end_of_segment(file: BinaryIO) -> int:
    """RFC 8794: an identifier and a length, both as numbers whose first bits tell how many bytes they have."""
    file.seek(4)
    size, _ = _number(file)
    file.seek(size, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return 0
    size, unknown = _number(file)
    return 0 if unknown else file.tell() + size


def _number(file: BinaryIO) -> tuple[int, bool]:
    """The number that follows, and whether it means that nothing is known."""
    first = file.read(1)[:1] or b"\x01"
    width = 9 - first[0].bit_length()
    mask = (1 << 7 * width) - 1
    value = int.from_bytes(first + file.read(width - 1), "big") & mask
    return value, value == mask


def _end_of_asf(file: BinaryIO) -> int:
    file.seek(16)
    header = int.from_bytes(file.read(8), "little")
    file.seek(header)
    if file.read(16)[:4] != _ASF_DATA:
        return 0
    return header + int.from_bytes(file.read(8), "little")


def _end_of_boxes(file: BinaryIO, length: int) -> int:
    """Where the last box ends; 0 where it has no size of its own."""
    return ([0] + [end for _, _, end in _boxes(file, length)])[-1]


def _boxes(file: BinaryIO, length: int) -> Iterator[tuple[int, bytes, int]]:
    """Start, kind and end of the boxes of the highest level (ISO/IEC 14496-12, 4.2); end is 0 for an unknown one."""
    start = 0
    while start + 8 <= length:
        file.seek(start)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        end = start + size if size >= 8 else 0  # a size of 0: up to the end
        yield start, head[4:8], end
        if not end:
            return
        start = end
