"""How long a file says it is, at its beginning: where it is shorter, it was cut off."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

__all__ = ["missing_bytes"]

_SEGMENT = b"\x18\x53\x80\x67"  # of Matroska
# The header and the data of ASF, by the first bytes of their GUIDs.
_ASF_HEADER, _ASF_DATA = b"\x30\x26\xb2\x75", b"\x36\x26\xb2\x75"
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
    """ISO/IEC 14496-12, 4.2: where the last box ends."""
    start = 0
    while start + 8 <= length:
        file.seek(start)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size < 8:  # 0: up to the end
            return 0
        start += size
    return start
