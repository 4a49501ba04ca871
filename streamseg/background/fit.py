"""Cover fit: the largest centred part of a picture that has a frame's shape."""

from __future__ import annotations

from av.video.reformatter import VideoReformatter

from streamseg.frame import Frame, Plane
from streamseg.media.conform import Shape
from streamseg.media.crop import crop
from streamseg.media.native import native_of, plane_views
from streamseg.media.scale import to_format

__all__ = ["cover", "fitted"]


def cover(width: int, height: int, shape: Shape, aspect: float = 1.0) -> tuple[int, int, int, int]:
    """Left, top, width and height of the part to show of a picture behind frames of ``shape``.

    Args:
        width, height: of the picture in pixels.
        aspect: its sample aspect ratio; that of ``shape`` is honoured too.
    """
    display = shape.width * float(shape.sample_aspect_ratio or 1) / shape.height
    across = display / aspect
    part_width = min(width, max(1, round(height * across)))
    part_height = min(height, max(1, round(width / across)))
    return (width - part_width) // 2, (height - part_height) // 2, part_width, part_height


def fitted(picture: Frame, shape: Shape, reformatter: VideoReformatter | None = None) -> tuple[Plane, ...]:
    """A picture cropped and scaled to cover frames of ``shape``, in their format and colour."""
    aspect = float(picture.sample_aspect_ratio or 1)
    part = crop(picture, *cover(picture.width, picture.height, shape, aspect))
    target = shape.format.opaque()
    size = shape.width, shape.height
    native = to_format(native_of(part), target, *size, part.colour, shape.colour, reformatter)
    return plane_views(native, target)
