"""Parts of frames."""

from __future__ import annotations

from dataclasses import replace

from streamseg.frame import Frame

__all__ = ["crop"]


def crop(frame: Frame, left: int, top: int, width: int, height: int) -> Frame:
    """A part of ``frame``, without a copy; its upper left corner is rounded down to a whole chroma sample."""
    if (left, top, width, height) == (0, 0, frame.width, frame.height):
        return frame
    shift_x, shift_y = frame.format.shift_x, frame.format.shift_y
    left, top = left >> shift_x << shift_x, top >> shift_y << shift_y
    shifts = ((0, 0), (shift_x, shift_y), (shift_x, shift_y), (0, 0))
    planes = tuple(
        plane[top >> y : (top >> y) + rows, left >> x : (left >> x) + columns]
        for plane, (x, y), (rows, columns) in zip(
            frame.planes, shifts, frame.format.shapes(width, height), strict=False
        )
    )
    return replace(frame, planes=planes, native=None)
