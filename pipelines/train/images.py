"""Images from files, upright, and to files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.media.images import IMAGE_SUFFIXES
from streamseg.media.pixels.orient import Orientation

__all__ = ["Bytes", "encode_png", "list_images", "read_mask", "read_rgb", "read_rgba", "recompressed"]

Bytes = NDArray[np.uint8]


def list_images(folder: Path) -> dict[str, Path]:
    """The images of a folder by stem, in the order of their names.

    Raises:
        InputError: there is no such folder, no image in it, or two of one stem.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            if path.stem in found:
                raise InputError(f"{path}: has the stem of {found[path.stem].name}: rename one of them")
            found[path.stem] = path
    if not found:
        raise InputError(f"{folder}: holds no images ({', '.join(IMAGE_SUFFIXES)})")
    return found


def read_rgb(path: Path) -> Bytes:
    """uint8 RGB [H, W, 3]. Raises InputError where nothing decodes."""
    return _upright(_decoded(path), "rgb24")


def read_rgba(path: Path) -> Bytes:
    """uint8 RGB and straight alpha [H, W, 4].

    Raises:
        InputError: nothing decodes, or the image has no alpha.
    """
    frame = _decoded(path)
    if not (frame.format.has_palette or any(part.is_alpha for part in frame.format.components)):
        raise InputError(f"{path}: has no alpha channel: cutouts are PNG or WebP with transparency")
    return _upright(frame, "rgba")


def read_mask(path: Path, shape: tuple[int, int]) -> Bytes:
    """A binary or soft mask, uint8 [H, W], 255 for foreground.

    Args:
        path: grey or colour image; of colours the first channel counts.
        shape: height and width of the image it belongs to.

    Raises:
        InputError: nothing decodes, or its size is another.
    """
    mask = read_rgb(path)[..., 0]
    if mask.shape != shape:
        raise InputError(f"{path}: is {mask.shape[1]}×{mask.shape[0]}, its image {shape[1]}×{shape[0]}")
    return mask


def encode_png(rgb: Bytes) -> bytes:
    """The bytes of a PNG file of uint8 RGB [H, W, 3]."""
    codec: Any = av.CodecContext.create("png", "w")
    codec.height, codec.width, codec.pix_fmt, codec.time_base = *rgb.shape[:2], "rgb24", Fraction(1)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    frame.pts, frame.time_base = 0, Fraction(1)
    return b"".join(bytes(packet) for packet in (*codec.encode(frame), *codec.encode(None)))


def recompressed(rgb: Bytes, quality: int) -> Bytes:
    """uint8 RGB [H, W, 3] after compression as motion JPEG, which webcams send.

    Args:
        rgb: uint8 [H, W, 3].
        quality: the quantiser's scale of FFmpeg, from 2 (best) to 31.
    """
    coder: Any = av.CodecContext.create("mjpeg", "w")
    coder.height, coder.width, coder.pix_fmt, coder.time_base = *rgb.shape[:2], "yuvj420p", Fraction(1)
    coder.qmin = coder.qmax = quality
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(format="yuvj420p")
    frame.pts, frame.time_base = 0, Fraction(1)
    decoder: Any = av.CodecContext.create("mjpeg", "r")
    packets = [*coder.encode(frame), *coder.encode(None)]
    frames = [each for packet in packets for each in decoder.decode(packet)] + decoder.decode(None)
    return np.asarray(frames[0].to_ndarray(format="rgb24"), np.uint8)


def _upright(frame: av.VideoFrame, pixel_format: str) -> Bytes:
    pixels = np.asarray(frame.to_ndarray(format=pixel_format), np.uint8)
    return np.ascontiguousarray(Orientation.of(frame).apply(pixels))


def _decoded(path: Path) -> av.VideoFrame:
    try:
        with av.open(str(path)) as container:
            return next(container.decode(video=0))
    except (av.error.FFmpegError, OSError, StopIteration, IndexError):
        raise InputError(f"{path}: is no image that decodes") from None
