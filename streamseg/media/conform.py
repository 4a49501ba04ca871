"""Decoded pictures of any kind become upright frames of one size and one planar format."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.video.reformatter import VideoReformatter

from streamseg.errors import InputError
from streamseg.frame import Colour, Frame, PixelFormat
from streamseg.media.card_frame import CardFrame, downloaded, is_on_card, sample_format
from streamseg.media.native import colour_of, is_rgb, planar_name, wrap
from streamseg.media.orient import UPRIGHT, Orientation
from streamseg.media.scale import to_format

__all__ = ["Conformer", "Shape"]

_BT709 = Colour(matrix=1, range=1, primaries=1, transfer=1)


@dataclass(frozen=True, slots=True)
class Shape:
    """What all frames of one reading have in common.

    Attributes:
        width, height: size of the upright picture.
        format: planar format.
        colour: what code values mean.
        sample_aspect_ratio: of the upright picture; 0 where unknown.
    """

    width: int
    height: int
    format: PixelFormat
    colour: Colour
    sample_aspect_ratio: Fraction


class Conformer:
    """Makes every decoded picture like the first one (in another planar format, if asked).

    Pictures that already fit pass without a copy.

    Args:
        first: the first picture.
        sample_aspect_ratio: of the stream; 0 where unknown.
        declared: what the container says of colours, for what the picture leaves unsaid.
    """

    def __init__(self, first: av.VideoFrame, sample_aspect_ratio: Fraction, declared: Colour | None = None) -> None:
        self._orientation = Orientation.of(first)
        self._coded_size = first.width, first.height
        width, height = self._orientation.size(first.width, first.height)
        if self._orientation.transpose and sample_aspect_ratio:
            sample_aspect_ratio = 1 / sample_aspect_ratio
        source = _planar(sample_format(first))
        colour = _BT709 if is_rgb(sample_format(first)) else colour_of(first).completed(declared or Colour())
        self.shape = Shape(width, height, _turnable(source, self._orientation), colour, sample_aspect_ratio)
        self._reformatter = VideoReformatter()

    def deliver(self, pixel_format: PixelFormat, even: bool = False) -> None:
        """Deliver frames in ``pixel_format`` from now on; ``even`` extends subsampled sides to even sizes."""
        pixel_format = _turnable(pixel_format, self._orientation)
        width, height = self._orientation.size(*self._coded_size)
        if even:
            width += -width % (1 << pixel_format.shift_x)
            height += -height % (1 << pixel_format.shift_y)
        self.shape = replace(self.shape, format=pixel_format, width=width, height=height)

    def on_card(self, native: av.VideoFrame, pts: int, time_base: Fraction) -> CardFrame | None:
        """``native`` as it lies on a card, if it does, and is of the common shape."""
        shape = self.shape
        fits = (
            is_on_card(native)
            and self._orientation == UPRIGHT
            and _planar(sample_format(native)) == shape.format
            and (native.width, native.height) == (shape.width, shape.height)
            and colour_of(native).full_range == shape.colour.full_range
        )
        if not fits:
            return None
        size, aspect = (shape.width, shape.height), shape.sample_aspect_ratio
        return CardFrame(native, shape.format, *size, pts, time_base, shape.colour, aspect)

    def __call__(self, native: av.VideoFrame, pts: int, time_base: Fraction) -> Frame:
        """``native`` as a frame of the common shape."""
        shape = self.shape
        native = self._convert(downloaded(native) if is_on_card(native) else native)
        frame = wrap(native, pts, time_base, shape.colour, shape.sample_aspect_ratio)
        if self._orientation == UPRIGHT and (frame.width, frame.height) == (shape.width, shape.height):
            return frame
        return self._turned(frame)

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
            # swscale takes every grey for full range; said of both sides, levels stay what they are.
            source = target = replace(target, range=2)
        return to_format(native, shape.format, *self._coded_size, source, target, self._reformatter)

    def _turned(self, frame: Frame) -> Frame:
        """``frame`` upright, its last row and column repeated where the shape is larger."""
        shape = self.shape
        native = av.VideoFrame(shape.width, shape.height, shape.format.name)
        upright = wrap(native, frame.pts, frame.time_base, shape.colour, shape.sample_aspect_ratio)
        for target, plane in zip(upright.planes, frame.planes, strict=True):
            turned = self._orientation.turn(plane)
            rows, columns = turned.shape
            target[:rows, :columns] = turned
            target[rows:] = target[rows - 1 : rows]
            target[:, columns:] = target[:, columns - 1 : columns]
        return upright


def _planar(video_format: av.VideoFormat) -> PixelFormat:
    """The planar Y′CbCr format that holds ``video_format`` best; RGB without alpha is kept playable as 4:2:0."""
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
    across, down = video_format.chroma_width(64), video_format.chroma_height(64)
    return PixelFormat.make(depth, int(across < 64), int(down < 64))


def _turnable(pixel_format: PixelFormat, orientation: Orientation) -> PixelFormat:
    if orientation.transpose and pixel_format.shift_x != pixel_format.shift_y:
        return PixelFormat.make(pixel_format.depth, 0, 0, pixel_format.alpha)
    return pixel_format
