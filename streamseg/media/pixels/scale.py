"""Changes of size, pixel format and colour, by FFmpeg's swscale."""

from __future__ import annotations

import threading
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from streamseg.frame import Colour, Frame, PixelFormat, Plane
from streamseg.media.pixels.native import is_rgb, native_of, plane_view

__all__ = ["PlaneScaler", "RGBScaler", "to_format", "to_jpeg", "to_rgb"]

# Matrix code point of ITU-T H.273 → swscale's SWS_CS_* constant.
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_HDR_TRANSFERS = (16, 18)
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class _SwsColour(NamedTuple):
    """Matrix and range of the source or the target of a conversion, as swscale's constants."""

    matrix: int | None
    range: int


def _sws_colour(rgb: bool, colour: Colour, width: int, height: int) -> _SwsColour:
    if rgb:
        return _SwsColour(None, int(ColorRange.JPEG))
    matrix = _SWS_MATRIX.get(colour.matrix_for(width, height), 5)
    return _SwsColour(matrix, int(ColorRange.JPEG if colour.full_range else ColorRange.MPEG))


class RGBScaler:
    """Converts frames to RGB images of a fixed size, by each frame's own matrix and range; in any number of threads.

    Args:
        width, height: size of the images in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._of_thread = threading.local()  # a reformatter serves one thread at a time

    def __call__(self, frame: Frame) -> NDArray[np.uint8]:
        """The full frame as RGB, uint8 [height, width, 3], scaled without keeping its aspect ratio."""
        native = native_of(frame)
        source = _sws_colour(frame.format.rgb, frame.colour, frame.width, frame.height)
        rgb = self._reformatter().reformat(
            native,
            self.width,
            self.height,
            "rgb24",
            src_colorspace=source.matrix,
            src_color_range=source.range,
            dst_color_range=int(ColorRange.JPEG),
            interpolation=Interpolation.BILINEAR,
            threads=1,
        )
        return np.asarray(rgb.to_ndarray(), np.uint8)

    def _reformatter(self) -> VideoReformatter:
        if not hasattr(self._of_thread, "reformatter"):
            self._of_thread.reformatter = VideoReformatter()
        reformatter: VideoReformatter = self._of_thread.reformatter
        return reformatter


class PlaneScaler:
    """Scales one plane with bilinear interpolation (area-weighted when downscaling)."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, plane: Plane, width: int, height: int) -> Plane:
        """``plane``, uint8 or uint16 [rows, columns], as [height, width] of the same dtype and code range."""
        if plane.shape == (height, width):
            return plane
        name = "gray" if plane.dtype == np.uint8 else "gray16le"
        native = av.VideoFrame.from_ndarray(np.ascontiguousarray(plane), name)
        interpolation = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
        scaled = self._reformatter.reformat(native, width, height, interpolation=interpolation, threads=1)
        return plane_view(scaled.planes[0], plane.dtype, height, width)


def to_format(
    native: av.VideoFrame,
    pixel_format: PixelFormat,
    width: int,
    height: int,
    source: Colour,
    target: Colour,
    reformatter: VideoReformatter | None = None,
) -> av.VideoFrame:
    """``native`` in another size, planar format or colour.

    Matrix and range are always converted; transfer and primaries only if ``target`` is PQ or HLG and ``source`` is not:
    then swscale maps white to the reference level of ITU-R BT.2408 (203 cd/m²).

    Args:
        source, target: colour description of ``native`` and of the result.
        reformatter: keeps swscale's context from call to call; None for a new one.
    """
    before = _sws_colour(is_rgb(native.format), source, native.width, native.height)
    after = _sws_colour(pixel_format.rgb, target, width, height)
    to_hdr = target.transfer in _HDR_TRANSFERS and source.transfer not in _HDR_TRANSFERS
    if to_hdr:
        srgb = Colour.srgb()
        native.color_trc = source.transfer if source.transfer != 2 else srgb.transfer
        native.color_primaries = source.primaries if source.primaries != 2 else srgb.primaries
    return (reformatter or VideoReformatter()).reformat(
        native,
        width,
        height,
        pixel_format.name,
        src_colorspace=before.matrix,
        dst_colorspace=after.matrix,
        src_color_range=before.range,
        dst_color_range=after.range,
        dst_color_trc=target.transfer if to_hdr else None,
        dst_color_primaries=target.primaries if to_hdr else None,
        interpolation=Interpolation.BICUBIC | _EXACT,
        threads=1,
    )


def to_rgb(native: av.VideoFrame, colour: Colour, name: str) -> av.VideoFrame:
    """``native`` as full-range RGB of the same size, in FFmpeg's pixel format ``name`` ("rgba64be", "gbrp")."""
    source = _sws_colour(is_rgb(native.format), colour, native.width, native.height)
    return native.reformat(
        format=name,
        src_colorspace=source.matrix,
        src_color_range=source.range,
        dst_color_range=int(ColorRange.JPEG),
        interpolation=Interpolation.BICUBIC | _EXACT,
        threads=1,
    )


def to_jpeg(native: av.VideoFrame) -> av.VideoFrame:
    """An RGB ``native`` in the colour of JPEG files: full-range BT.601, 4:4:4."""
    return native.reformat(
        format="yuvj444p",
        dst_colorspace=_SWS_MATRIX[6],
        src_color_range=int(ColorRange.JPEG),
        dst_color_range=int(ColorRange.JPEG),
        interpolation=Interpolation.BICUBIC | _EXACT,
        threads=1,
    )
