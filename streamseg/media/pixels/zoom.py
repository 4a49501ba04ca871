"""A part of a frame, enlarged to the frame's size."""

from __future__ import annotations

import numpy as np

from streamseg.frame import Frame, Plane
from streamseg.media.pixels.native import allocate

__all__ = ["zoom", "zoom_plane"]

#: Sides of a part in fractions of width and height: left, top, right, bottom.
Part = tuple[float, float, float, float]


def zoom(frame: Frame, part: Part) -> Frame:
    """The part of a frame at the frame's own size, by Lanczos' filter; its sides may lie between pixels.

    Args:
        part: left, top, right and bottom in [0, 1].
    """
    out = allocate(frame)
    most = (1 << frame.format.depth) - 1
    for target, plane in zip(out.planes, frame.planes, strict=True):
        np.minimum(zoom_plane(plane, part), most, out=target)
    return out


def zoom_plane(plane: Plane, part: Part) -> Plane:
    """The same of one plane, uint8 or uint16 [rows, columns]."""
    from PIL import Image

    rows, columns = plane.shape
    left, top, right, bottom = part
    box = left * columns, top * rows, right * columns, bottom * rows
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((columns, rows), Image.Resampling.LANCZOS, box), plane.dtype)
