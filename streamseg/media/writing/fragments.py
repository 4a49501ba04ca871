"""What FFmpeg leaves to be done in MP4 files that it writes in fragments."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["cut_off_incomplete", "end_subtitles", "extend_edits", "hide_empty_tracks"]

Box = tuple[int, int, bytes, int]

_SUBTITLES, _EMPTY_BYTES = (b"sbtl", b"text"), 2


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
            # Version, flags, and the size of all samples where they are equal, precede their number.
            if sizes and _read(file, sizes[0][3] + 8, 4) == 0:
                file.seek(track[3] - 4)
                file.write(b"free")


def extend_edits(path: Path) -> None:
    """Let the edit list of every track with B frames last until the end of the frame that is shown last.

    FFmpeg ends it with the frame that is decoded last, where frames have different durations; players would leave out
    what is shown after that one.
    """
    with path.open("r+b") as file:
        for movie in _below(file, (0, file.seek(0, 2), b"", 0), b"moov"):
            header = next(_below(file, movie, b"mvhd"))
            scale, longest = _number(file, header, 12, 20, 4), _number(file, header, 16, 24)
            for track in list(_below(file, movie, b"trak")):
                longest = max(longest, _extended(file, track, scale))
            _set_number(file, header, 16, 24, longest)


def end_subtitles(path: Path) -> None:
    """Let tracks of subtitles end with their last one, and the movie with its last track.

    An empty sample follows, to which FFmpeg gives the duration of that subtitle once more.
    """
    with path.open("r+b") as file:
        for movie in _below(file, (0, file.seek(0, 2), b"", 0), b"moov"):
            header = next(_below(file, movie, b"mvhd"))
            tracks = list(_below(file, movie, b"trak"))
            if sum(_shortened(file, track, _number(file, header, 12, 20, 4)) for track in tracks):
                lengths = [_number(file, own, 20, 28) for each in tracks for own in _below(file, each, b"tkhd")]
                _set_number(file, header, 16, 24, max(lengths))


def _shortened(file: BinaryIO, track: Box, scale: int) -> bool:
    """Take the last sample's duration off one track of subtitles, if that is empty."""
    table = (b"mdia", b"minf", b"stbl")
    kinds = (b"mdia", b"hdlr"), (b"mdia", b"mdhd"), (*table, b"stts"), (*table, b"stsz"), (b"tkhd",)
    handler, media, durations, sizes, own = (next(_below(file, track, *each), None) for each in kinds)
    if handler is None or media is None or durations is None or sizes is None or own is None:
        return False
    steps = _samples(file, durations)
    last_size = _read(file, sizes[3] + 8 + 4 * len(steps), 4)
    if _read(file, handler[3] + 8, 4).to_bytes(4, "big") not in _SUBTITLES or last_size != _EMPTY_BYTES:
        return False
    excess = floor(int(steps[-1]) * Fraction(scale, _number(file, media, 12, 20, 4)))
    _set_number(file, own, 20, 28, max(0, _number(file, own, 20, 28) - excess))
    for edits in _below(file, track, b"edts", b"elst"):
        count, width = _number(file, edits, 4, 4, 4), 8 if _version(file, edits) else 4
        last = edits[3] + 8 + (count - 1) * (2 * width + 4)
        _write(file, last, width, max(0, _read(file, last, width) - excess))
    return True


def _extended(file: BinaryIO, track: Box, scale: int) -> int:
    """Extend the edit list of one track, if need be; the track's duration in units of the movie, or 0."""
    edits, header = list(_below(file, track, b"edts", b"elst")), next(_below(file, track, b"mdia", b"mdhd"), None)
    end = _end_of_last_frame(file, track)
    if not edits or header is None or end is None:
        return 0
    count, version = _number(file, edits[0], 4, 4, 4), _version(file, edits[0])
    width = 8 if version else 4
    last = edits[0][3] + 8 + (count - 1) * (2 * width + 4)
    duration, begin = (_read(file, last + k * width, width) for k in (0, 1))
    unit = Fraction(scale, _number(file, header, 12, 20, 4))
    missing = ceil((end - begin) * unit) - duration
    if begin > end or missing <= 0:
        return 0
    _write(file, last, width, duration + missing)
    _set_number(file, header, 16, 24, _number(file, header, 16, 24) + ceil(missing / unit))
    own = next(_below(file, track, b"tkhd"))
    _set_number(file, own, 20, 28, _number(file, own, 20, 28) + missing)
    return _number(file, own, 20, 28)


def _end_of_last_frame(file: BinaryIO, track: Box) -> int | None:
    """Where the frame that is shown last ends, from the first one's decoding on; None without B frames."""
    table = (b"mdia", b"minf", b"stbl")
    durations, offsets = (next(_below(file, track, *table, kind), None) for kind in (b"stts", b"ctts"))
    if durations is None or offsets is None:
        return None
    steps, delays = _samples(file, durations), _samples(file, offsets)
    if not len(steps) or len(steps) != len(delays):
        return None
    return int((np.cumsum(steps) + delays).max())


def _samples(file: BinaryIO, table: Box) -> NDArray[np.int64]:
    """The value of every sample from a table of (number of samples, value)."""
    file.seek(table[3] + 4)
    count = int.from_bytes(file.read(4), "big")
    runs = np.frombuffer(file.read(8 * count), ">i4").reshape(-1, 2).astype(np.int64)
    return np.repeat(runs[:, 1], runs[:, 0])


def _version(file: BinaryIO, box: Box) -> int:
    return _read(file, box[3], 1)


def _number(file: BinaryIO, box: Box, short: int, long: int, long_width: int = 8) -> int:
    """A number of a box that is at ``short`` with 4 bytes in version 0, else at ``long`` with ``long_width``."""
    at, width = (long, long_width) if _version(file, box) else (short, 4)
    return _read(file, box[3] + at, width)


def _set_number(file: BinaryIO, box: Box, short: int, long: int, value: int) -> None:
    at, width = (long, 8) if _version(file, box) else (short, 4)
    _write(file, box[3] + at, width, value)


def _read(file: BinaryIO, at: int, width: int) -> int:
    file.seek(at)
    return int.from_bytes(file.read(width), "big")


def _write(file: BinaryIO, at: int, width: int, value: int) -> None:
    file.seek(at)
    file.write(min(value, (1 << 8 * width) - 1).to_bytes(width, "big"))


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
