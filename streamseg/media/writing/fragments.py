"""What FFmpeg leaves to be done in MP4 files that it writes in fragments."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["cut_off_incomplete", "hide_empty_tracks"]

Box = tuple[int, int, bytes, int]


def cut_off_incomplete(path: Path) -> None:
    """Shorten a file to which nothing more could be written to its complete fragments, if it has one at least."""
    with path.open("r+b") as file:
        length = file.seek(0, 2)
        boxes = list(_boxes(file, 0, length))
        starts = [start for start, _, kind, _ in boxes if kind == b"moof"]
        if len(starts) > 1 and boxes[-1][1] > length:
            file.truncate(starts[-1])


def hide_empty_tracks(path: Path) -> None:
    """Turn the tracks of a complete file that have no sample into free space, as they would be missing otherwise."""
    with path.open("r+b") as file:
        for track in _below(file, (0, file.seek(0, 2), b"", 0), b"moov", b"trak"):
            sizes = list(_below(file, track, b"mdia", b"minf", b"stbl", b"stsz"))
            if sizes and _sample_count(file, sizes[0]) == 0:
                file.seek(track[3] - 4)
                file.write(b"free")


def _sample_count(file: BinaryIO, sizes: Box) -> int:
    file.seek(sizes[3] + 8)  # version, flags, and the size of all samples where they are equal
    return int.from_bytes(file.read(4), "big")


def _below(file: BinaryIO, parent: Box, *path: bytes) -> Iterator[Box]:
    """The boxes of the last kind of ``path``, which leads down from ``parent``."""
    if not path:
        yield parent
        return
    for box in list(_boxes(file, parent[3], parent[1])):
        if box[2] == path[0]:
            yield from _below(file, box, *path[1:])


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Start, end, kind and start of the content of the boxes (ISO/IEC 14496-12) in a part of a file.

    The last one may be meant to end later than ``end``.
    """
    while start + 8 <= end:
        file.seek(start)
        header = file.read(16)
        size, kind = struct.unpack(">I4s", header[:8])
        content = start + 8
        if size == 1 and len(header) == 16:
            (size,) = struct.unpack(">Q", header[8:])
            content = start + 16
        if size < content - start:
            return
        yield start, start + size, kind, content
        start += size
