"""Every change of size or pixel format, done by FFmpeg's swscale."""

from __future__ import annotations

from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from streamseg.frame import Colour, Frame, PixelFormat, Plane
from streamseg.media.native import is_rgb, native_of, plane_view

__all__ = ["PlaneScaler", "RGBScaler", "to_format", "to_jpeg", "to_rgb"]

# ITU-T H.273 matrix code point → swscale's SWS_CS_* constant.
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_HDR_TRANSFERS = (16, 18)
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class _Side(NamedTuple):
    """One side of a conversion in swscale's words."""

    matrix: int | None
    range: int


def _side(rgb: bool, colour: Colour, width: int, height: int) -> _Side:
    if rgb:
        return _Side(None, int(ColorRange.JPEG))
    matrix = _SWS_MATRIX.get(colour.matrix_for(width, height), 5)
    return _Side(matrix, int(ColorRange.JPEG if colour.full_range else ColorRange.MPEG))


class RGBScaler:
    """Turns Y′CbCr frames into small RGB pictures, honouring each frame's matrix and range."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Frame) -> NDArray[np.uint8]:
        """The whole frame as uint8 RGB [height, width, 3], stretched to the scaler's size."""
        native = native_of(frame)
        source = _side(frame.format.rgb, frame.colour, frame.width, frame.height)
        rgb = self._reformatter.reformat(
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


class PlaneScaler:
    """Scales one plane of samples bilinearly (area-weighted when it shrinks)."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, plane: Plane, width: int, height: int) -> Plane:
        """``plane`` [rows, columns] of uint8 or uint16 as [height, width], same dtype and code range."""
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

    Matrix and range are converted. Transfer and primaries are only where ``target`` is PQ or HLG and
    ``source`` is not: swscale then puts white at the reference level of ITU-R BT.2408 (203 cd/m²).
    """
    before = _side(is_rgb(native.format), source, native.width, native.height)
    after = _side(pixel_format.rgb, target, width, height)
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
    """``native`` as RGB of the same size, full range; ``name`` is FFmpeg's ("rgba64be", "gbrp")."""
    source = _side(is_rgb(native.format), colour, native.width, native.height)
    return native.reformat(
        format=name,
        src_colorspace=source.matrix,
        src_color_range=source.range,
        dst_color_range=int(ColorRange.JPEG),
        interpolation=Interpolation.BICUBIC | _EXACT,
        threads=1,
    )


def to_jpeg(native: av.VideoFrame) -> av.VideoFrame:
    """An RGB ``native`` as JPEG stores it: full-range BT.601 with full chroma."""
    return native.reformat(
        format="yuvj444p",
        dst_colorspace=_SWS_MATRIX[6],
        src_color_range=int(ColorRange.JPEG),
        dst_color_range=int(ColorRange.JPEG),
        interpolation=Interpolation.BICUBIC | _EXACT,
        threads=1,
    )
