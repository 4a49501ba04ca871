"""Turning pictures upright: the display matrix of a track, and what it does to planes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph
from av.sidedata.sidedata import Type

from streamseg.frame import Frame, Plane
from streamseg.media.native import allocate

__all__ = ["UPRIGHT", "Orientation", "mirrored"]

# More kinds of side data than FFmpeg has.
_KINDS = 48


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways a picture can lie: transpose first, then mirror.

    Attributes:
        transpose: rows and columns are exchanged.
        flip_x, flip_y: mirrored left to right, top to bottom.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, native: av.VideoFrame) -> Orientation:
        """How ``native`` has to be turned; the nearest quarter turn of its display matrix."""
        side_data = _side_data(native)
        if "DISPLAYMATRIX" not in side_data:
            return UPRIGHT
        # ISO/IEC 14496-12, 6.2.2: x' = a·x + c·y, y' = b·x + d·y
        a, b, _, c, d = struct.unpack("=5i", bytes(side_data["DISPLAYMATRIX"])[:20])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def turn(self, plane: Plane) -> Plane:
        """``plane`` upright; a view."""
        turned: Plane = plane.T if self.transpose else plane
        down, across = (slice(None, None, -1 if flip else 1) for flip in (self.flip_y, self.flip_x))
        return turned[down, across]

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after turning."""
        return (height, width) if self.transpose else (width, height)


UPRIGHT = Orientation()


def mirrored(frame: Frame) -> Frame:
    """A copy of ``frame`` with left and right turned about."""
    out = allocate(frame)
    for target, plane in zip(out.planes, frame.planes, strict=True):
        target[:] = plane[:, ::-1]
    return out


def _side_data(native: av.VideoFrame) -> Any:
    try:
        return native.side_data
    except ValueError:  # of a kind that PyAV has no name for, such as the EXIF of a photograph
        return _without_unnamed(native).side_data


def _without_unnamed(native: av.VideoFrame) -> Any:
    """``native`` with only those kinds of side data that PyAV knows."""
    named: set[Any] = {kind.value for kind in Type}
    graph = Graph()
    buffer = graph.add_buffer(width=native.width, height=native.height, format=native.format, time_base=Fraction(1))
    drops = [graph.add("sidedata", f"mode=delete:type={kind}") for kind in range(_KINDS) if kind not in named]
    graph.link_nodes(buffer, *drops, graph.add("buffersink")).configure()
    graph.push(native)
    return graph.pull()
