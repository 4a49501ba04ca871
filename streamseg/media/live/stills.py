"""Live frames that come as single images."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.media.live.clock import LIVE_TIME_BASE
from streamseg.media.pixels.native import wrap

__all__ = ["decode_still"]

# WebP can also be in RGB; live frames are in Y′CbCr.
_PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")


def decode_still(image: bytes, pts: int, max_pixels: int, max_bytes: int) -> Frame:
    """A frame from a JPEG or WebP.

    Args:
        image: the bytes of the file.
        pts: in LIVE_TIME_BASE.
        max_pixels, max_bytes: of the image, at most; a larger one is not decoded.

    Raises:
        InputError: it is too large, or does not decode.
    """
    if len(image) > max_bytes:
        raise InputError(f"a frame of {len(image)} bytes is too large: expected up to {max_bytes}")
    codec = "mjpeg" if image[:2] == b"\xff\xd8" else "webp" if image[:4] + image[8:12] == b"RIFFWEBP" else None
    if codec is None:
        raise InputError("a frame does not decode: expected JPEG or WebP")
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.options = {"max_pixels": str(max_pixels)}
    try:
        native = decoder.decode(av.Packet(image))[0]
    except (av.error.FFmpegError, IndexError) as error:
        raise InputError(f"a frame does not decode: expected JPEG or WebP of up to {max_pixels} pixels") from error
    assert isinstance(native, av.VideoFrame)
    if native.format.name not in _PLANAR:
        native = native.reformat(format="yuv444p", dst_colorspace="itu601")
    return wrap(native, pts, LIVE_TIME_BASE, sample_aspect_ratio=Fraction(1))
