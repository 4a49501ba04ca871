"""Orientation of frames: from the display matrix to upright planes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import av
from av.sidedata.sidedata import Type

from streamseg.frame import Frame, Plane
from streamseg.media.pixels.native import allocate
from streamseg.media.pixels.side_data import side_data_of

__all__ = ["UPRIGHT", "Orientation", "mirrored"]


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
        matrix = side_data_of(native, Type.DISPLAYMATRIX)
        if matrix is None:
            return UPRIGHT
        # ISO/IEC 14496-12, 6.2.2: x' = a·x + c·y, y' = b·x + d·y
        a, b, _, c, d = struct.unpack("=5i", matrix[:20])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    def apply(self, plane: Plane) -> Plane:
        """``plane`` [rows, columns, …] upright, as a view."""
        transposed: Plane = plane.swapaxes(0, 1) if self.transpose else plane
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
