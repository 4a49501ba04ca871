"""From decoded frames of any kind to upright frames of one size and one planar format."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.video.reformatter import VideoReformatter

from streamseg.errors import InputError
from streamseg.frame import Colour, Frame, PixelFormat
from streamseg.media.pixels.gpu_frame import GPUFrame, downloaded, is_on_gpu, sample_format
from streamseg.media.pixels.native import colour_of, is_rgb, planar_name, wrap
from streamseg.media.pixels.orient import UPRIGHT, Orientation
from streamseg.media.pixels.scale import to_format

__all__ = ["Conformer", "Shape"]

_BT709 = Colour(matrix=1, range=1, primaries=1, transfer=1)


@dataclass(frozen=True, slots=True)
class Shape:
    """What all frames of a video have in common.

    Attributes:
        width, height: size of the upright frames in pixels.
        format: planar pixel format.
        colour: colour description of the code values.
        sample_aspect_ratio: of the upright frames; 0 where unknown.
    """

    width: int
    height: int
    format: PixelFormat
    colour: Colour
    sample_aspect_ratio: Fraction


class Conformer:
    """Converts every decoded frame to the size, pixel format and colour of the first one, or to another planar format.

    Frames that need no conversion are not copied.

    Args:
        first: the first decoded frame.
        sample_aspect_ratio: of the stream; 0 where unknown.
        declared: the container's colour description, for what the frame leaves unspecified.
    """

    def __init__(self, first: av.VideoFrame, sample_aspect_ratio: Fraction, declared: Colour | None = None) -> None:
        self._orientation = Orientation.of(first)
        self._coded_size = first.width, first.height
        width, height = self._orientation.size(first.width, first.height)
        if self._orientation.transpose and sample_aspect_ratio:
            sample_aspect_ratio = 1 / sample_aspect_ratio
        source = _planar(sample_format(first))
        colour = _BT709 if is_rgb(sample_format(first)) else colour_of(first).completed(declared or Colour())
        self.shape = Shape(width, height, _transposable(source, self._orientation), colour, sample_aspect_ratio)
        self._reformatter = VideoReformatter()

    def deliver(self, pixel_format: PixelFormat, even: bool = False) -> None:
        """Deliver frames in ``pixel_format`` from now on; with ``even``, subsampled sides are padded to even sizes."""
        pixel_format = _transposable(pixel_format, self._orientation)
        width, height = self._orientation.size(*self._coded_size)
        if even:
            width += -width % (1 << pixel_format.shift_x)
            height += -height % (1 << pixel_format.shift_y)
        self.shape = replace(self.shape, format=pixel_format, width=width, height=height)

    def on_gpu(self, native: av.VideoFrame, pts: int, time_base: Fraction) -> GPUFrame | None:
        """``native`` as a GPUFrame if it is in GPU memory and needs no conversion; else None."""
        shape = self.shape
        fits = (
            is_on_gpu(native)
            and self._orientation == UPRIGHT
            and _planar(sample_format(native)) == shape.format
            and (native.width, native.height) == (shape.width, shape.height)
            and colour_of(native).full_range == shape.colour.full_range
        )
        if not fits:
            return None
        size, aspect = (shape.width, shape.height), shape.sample_aspect_ratio
        return GPUFrame(native, shape.format, *size, pts, time_base, shape.colour, aspect)

    def __call__(self, native: av.VideoFrame, pts: int, time_base: Fraction) -> Frame:
        """``native`` as a frame of the common shape."""
        shape = self.shape
        native = self._convert(downloaded(native) if is_on_gpu(native) else native)
        frame = wrap(native, pts, time_base, shape.colour, shape.sample_aspect_ratio)
        if self._orientation == UPRIGHT and (frame.width, frame.height) == (shape.width, shape.height):
            return frame
        return self._upright(frame)

    def _convert(self, native: av.VideoFrame) -> av.VideoFrame:
        shape = self.shape
        source = shape.colour if is_rgb(native.format) else colour_of(native)
        fits = (
            planar_name(native.format.name) == shape.format.name
            and (native.width, native.height) == self._coded_size
            and source.full_range == shape.colour.full_range
        )
        if fits:
            return native
        target = shape.colour
        if len(native.format.components) < 3 and not is_rgb(native.format):
            # swscale treats all grey as full range; declared for both sides, it leaves the levels unchanged.
            source = target = replace(target, range=2)
        return to_format(native, shape.format, *self._coded_size, source, target, self._reformatter)

    def _upright(self, frame: Frame) -> Frame:
        """A copy of ``frame`` turned upright; its last row and column are repeated where the shape is larger."""
        shape = self.shape
        native = av.VideoFrame(shape.width, shape.height, shape.format.name)
        upright = wrap(native, frame.pts, frame.time_base, shape.colour, shape.sample_aspect_ratio)
        for target, plane in zip(upright.planes, frame.planes, strict=True):
            source = self._orientation.apply(plane)
            rows, columns = source.shape
            target[:rows, :columns] = source
            target[rows:] = target[rows - 1 : rows]
            target[:, columns:] = target[:, columns - 1 : columns]
        return upright


def _planar(video_format: av.VideoFormat) -> PixelFormat:
    """The planar Y′CbCr format closest to ``video_format``; for RGB without alpha 4:2:0, which all players support."""
    with suppress(InputError):
        exact = PixelFormat.parse(planar_name(video_format.name))
        if not exact.rgb:
            return exact
    components = video_format.components
    depth = next(d for d in (8, 10, 12, 16) if d >= min(16, components[0].bits))
    alpha = any(component.is_alpha for component in components)
    if alpha:
        return PixelFormat.make(depth, 0, 0, alpha)
    if is_rgb(video_format) or len(components) == 1:
        return PixelFormat.make(depth, 1, 1)
    chroma_width, chroma_height = video_format.chroma_width(64), video_format.chroma_height(64)
    return PixelFormat.make(depth, int(chroma_width < 64), int(chroma_height < 64))


def _transposable(pixel_format: PixelFormat, orientation: Orientation) -> PixelFormat:
    """``pixel_format``, or 4:4:4 where transposed planes would not fit its chroma subsampling."""
    if orientation.transpose and pixel_format.shift_x != pixel_format.shift_y:
        return PixelFormat.make(pixel_format.depth, 0, 0, pixel_format.alpha)
    return pixel_format
