"""Parts of frames."""

from __future__ import annotations

from dataclasses import replace

from streamseg.frame import Frame

__all__ = ["crop"]


def crop(frame: Frame, left: int, top: int, width: int, height: int) -> Frame:
    """A part of ``frame``, its corner moved to a whole chroma sample; views, no copy."""
    if (left, top, width, height) == (0, 0, frame.width, frame.height):
        return frame
    form = frame.format
    left, top = left >> form.shift_x << form.shift_x, top >> form.shift_y << form.shift_y
    shifts = ((0, 0), (form.shift_x, form.shift_y), (form.shift_x, form.shift_y), (0, 0))
    planes = tuple(
        plane[top >> down : (top >> down) + rows, left >> across : (left >> across) + columns]
        for plane, (across, down), (rows, columns) in zip(
            frame.planes, shifts, form.shapes(width, height), strict=False
        )
    )
    return replace(frame, planes=planes, native=None)
