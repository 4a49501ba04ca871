"""Orientation of frames: from the display matrix to upright planes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph
from av.sidedata.sidedata import Type

from streamseg.frame import Frame, Plane
from streamseg.media.pixels.native import allocate

__all__ = ["UPRIGHT", "Orientation", "mirrored"]

# Upper limit of the side data types of FFmpeg.
_SIDE_DATA_TYPES = 48


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of eight orientations: transpose first, then flip.

    Attributes:
        transpose: exchange rows and columns.
        flip_x, flip_y: flip left to right, top to bottom.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, native: av.VideoFrame) -> Orientation:
        """The orientation to apply to ``native`` by its display matrix, rounded to quarter turns."""
        side_data = _side_data(native)
        if "DISPLAYMATRIX" not in side_data:
            return UPRIGHT
        # ISO/IEC 14496-12, 6.2.2: x' = a·x + c·y, y' = b·x + d·y
        a, b, _, c, d = struct.unpack("=5i", bytes(side_data["DISPLAYMATRIX"])[:20])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def apply(self, plane: Plane) -> Plane:
        """``plane`` [rows, columns] upright, as a view."""
        transposed: Plane = plane.T if self.transpose else plane
        rows, columns = (slice(None, None, -1 if flip else 1) for flip in (self.flip_y, self.flip_x))
        return transposed[rows, columns]

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright frame."""
        return (height, width) if self.transpose else (width, height)


UPRIGHT = Orientation()


def mirrored(frame: Frame) -> Frame:
    """A copy of ``frame``, flipped left to right."""
    out = allocate(frame)
    for target, plane in zip(out.planes, frame.planes, strict=True):
        target[:] = plane[:, ::-1]
    return out


def _side_data(native: av.VideoFrame) -> Any:
    try:
        return native.side_data
    except ValueError:  # PyAV does not know a type of it, such as the EXIF of a photograph
        return _without_unknown(native).side_data


def _without_unknown(native: av.VideoFrame) -> Any:
    """``native`` without the types of side data that PyAV does not know."""
    known: set[Any] = {kind.value for kind in Type}
    graph = Graph()
    buffer = graph.add_buffer(width=native.width, height=native.height, format=native.format, time_base=Fraction(1))
    unknown = [kind for kind in range(_SIDE_DATA_TYPES) if kind not in known]
    filters = [graph.add("sidedata", f"mode=delete:type={kind}") for kind in unknown]
    graph.link_nodes(buffer, *filters, graph.add("buffersink")).configure()
    graph.push(native)
    return graph.pull()
