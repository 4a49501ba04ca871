"""Cover fit: the largest centred part of an image that has a frame's aspect ratio, scaled to the frame."""

from __future__ import annotations

from av.video.reformatter import VideoReformatter

from streamseg.frame import Frame, Plane
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.crop import crop
from streamseg.media.pixels.native import native_of, plane_views
from streamseg.media.pixels.scale import to_format

__all__ = ["cover", "fitted"]


def cover(width: int, height: int, shape: Shape, aspect: float = 1.0) -> tuple[int, int, int, int]:
    """Left, top, width and height, in pixels, of the part of an image that covers frames of ``shape``.

    Args:
        width, height: size of the image in pixels.
        shape: shape of the frames; its sample aspect ratio is taken into account.
        aspect: sample aspect ratio of the image.
    """
    display_aspect = shape.width * float(shape.sample_aspect_ratio or 1) / shape.height
    pixel_aspect = display_aspect / aspect
    part_width = min(width, max(1, round(height * pixel_aspect)))
    part_height = min(height, max(1, round(width / pixel_aspect)))
    return (width - part_width) // 2, (height - part_height) // 2, part_width, part_height


def fitted(image: Frame, shape: Shape, reformatter: VideoReformatter | None = None) -> tuple[Plane, ...]:
    """The planes of ``image``, cropped and scaled to cover frames of ``shape``, in their format and colour."""
    aspect = float(image.sample_aspect_ratio or 1)
    part = crop(image, *cover(image.width, image.height, shape, aspect))
    target = shape.format.opaque()
    size = shape.width, shape.height
    native = to_format(native_of(part), target, *size, part.colour, shape.colour, reformatter)
    return plane_views(native, target)
