"""Conversion between PyAV's frames and Frame, without copying samples."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from streamseg.frame import Colour, Frame, PixelFormat, Plane
from streamseg.media.pixels.gpu_frame import GPUFrame

__all__ = [
    "allocate",
    "colour_of",
    "declared_colour",
    "is_rgb",
    "native_of",
    "planar_name",
    "plane_view",
    "plane_views",
    "wrap",
]


def planar_name(name: str) -> str:
    """FFmpeg's name without the deprecated "j" for full range (yuvj420p → yuv420p)."""
    return name.replace("yuvj", "yuv", 1)


def is_rgb(video_format: av.VideoFormat) -> bool:
    """Whether samples are R, G and B, or indices into a palette of them."""
    return bool(video_format.is_rgb or video_format.has_palette)


def plane_view(plane: VideoPlane, dtype: np.dtype[Any], rows: int, columns: int) -> Plane:
    """A view [rows, columns] of one plane of a PyAV frame, whose memory it keeps alive."""
    stride = plane.line_size // dtype.itemsize
    samples = np.frombuffer(memoryview(plane), dtype)
    return samples[: rows * stride].reshape(rows, stride)[:, :columns]


def plane_views(native: av.VideoFrame, pixel_format: PixelFormat) -> tuple[Plane, ...]:
    """Views [rows, columns] of the planes of a PyAV frame in a planar format."""
    shapes = pixel_format.shapes(native.width, native.height)
    return tuple(
        plane_view(plane, pixel_format.dtype, *shape) for plane, shape in zip(native.planes, shapes, strict=True)
    )


def colour_of(native: av.VideoFrame) -> Colour:
    """The colour description of a decoded frame."""
    full_by_name = native.format.name.startswith("yuvj")
    return Colour(
        matrix=int(native.colorspace),
        range=2 if full_by_name else int(native.color_range),
        primaries=int(native.color_primaries),
        transfer=int(native.color_trc),
    )


def declared_colour(stream: VideoStream) -> Colour:
    """The colour description of a stream in its container."""
    context = stream.codec_context
    return Colour(
        matrix=int(context.colorspace),
        range=int(context.color_range),
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
    )


def wrap(
    native: av.VideoFrame,
    pts: int,
    time_base: Fraction,
    colour: Colour | None = None,
    sample_aspect_ratio: Fraction = Fraction(0),
) -> Frame:
    """A Frame whose planes are views of a PyAV frame. Raises InputError if its pixel format is not planar."""
    pixel_format = PixelFormat.parse(planar_name(native.format.name))
    return Frame(
        planes=plane_views(native, pixel_format),
        format=pixel_format,
        pts=pts,
        time_base=time_base,
        colour=colour_of(native) if colour is None else colour,
        sample_aspect_ratio=sample_aspect_ratio,
        native=native,
    )


def allocate(like: Frame | GPUFrame, pixel_format: PixelFormat | None = None, colour: Colour | None = None) -> Frame:
    """A new, uninitialised frame of the same size and time as ``like``, whose planes may be written."""
    chosen = pixel_format or like.format
    native = av.VideoFrame(like.width, like.height, chosen.name)
    return wrap(native, like.pts, like.time_base, colour or like.colour, like.sample_aspect_ratio)


def native_of(frame: Frame) -> av.VideoFrame:
    """The PyAV frame behind ``frame``; a new one with copied planes if there is none."""
    if isinstance(frame.native, av.VideoFrame):
        return frame.native
    native = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for target, plane in zip(plane_views(native, frame.format), frame.planes, strict=True):
        target[:] = plane
    return native
