"""MP4 files that end in the middle of a fragment, because nothing more could be written."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["cut_off_incomplete"]


def cut_off_incomplete(path: Path) -> None:
    """Shorten the file to its complete fragments, if it has one at least; other files stay as they are."""
    with path.open("r+b") as file:
        boxes = list(_boxes(file))
        length = file.seek(0, 2)
        starts = [start for start, _, kind in boxes if kind == b"moof"]
        if len(starts) > 1 and boxes[-1][1] > length:
            file.truncate(starts[-1])


def _boxes(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Start, end and kind of the boxes of ISO/IEC 14496-12 in a file, of the last one as it was meant to be."""
    start = 0
    while True:
        file.seek(start)
        header = file.read(16)
        if len(header) < 8:
            return
        size, kind = struct.unpack(">I4s", header[:8])
        if size == 1 and len(header) == 16:
            (size,) = struct.unpack(">Q", header[8:])
        if size < 8:
            return
        yield start, start + size, kind
        start += size
