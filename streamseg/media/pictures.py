"""Single pictures and numbered sequences of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from streamseg.errors import InputError, OutputError
from streamseg.frame import Colour, Frame, PixelFormat
from streamseg.media.native import colour_of, native_of, plane_views
from streamseg.media.orient import Orientation
from streamseg.media.place import Place
from streamseg.media.scale import to_rgb
from streamseg.media.source import open_input

__all__ = ["PICTURE_SUFFIXES", "PictureWriter", "encode_picture", "encode_png", "picture_of", "read_picture"]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_ENCODERS = {".png": "png", ".jpg": "mjpeg", ".jpeg": "mjpeg"}


def read_picture(path: str) -> Frame:
    """The first picture of a file, upright, as an sRGB frame (gbrp or gbrap, 8 or 16 bit).

    Raises:
        InputError: it cannot be opened or holds no picture.
    """
    with open_input(path) as container:
        if not container.streams.video:
            raise InputError(f"{path}: holds no picture")
        try:
            native = next(container.decode(video=0))
        except (StopIteration, av.error.FFmpegError) as error:
            raise InputError(f"{path}: holds no picture that decodes") from error
    components = native.format.components
    deep, alpha = components[0].bits > 8, any(component.is_alpha for component in components)
    pixel_format = PixelFormat.make(16 if deep else 8, 0, 0, alpha or native.format.has_palette, rgb=True)
    orientation = Orientation.of(native)
    rgb = to_rgb(native, colour_of(native), pixel_format.name)
    planes = tuple(orientation.turn(plane) for plane in plane_views(rgb, pixel_format))
    return Frame(planes, pixel_format, 0, Fraction(1), Colour.srgb())


def picture_of(rgb: NDArray[np.uint8]) -> Frame:
    """A frame (gbrp) of an sRGB array, uint8 [rows, columns, 3]. Raises InputError for other arrays."""
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        got = f"{rgb.dtype} of shape {rgb.shape}"
        raise InputError(f"picture is {got}: expected uint8 of shape [rows, columns, 3], RGB")
    planes = (rgb[..., 1], rgb[..., 2], rgb[..., 0])
    return Frame(planes, PixelFormat.parse("gbrp"), 0, Fraction(1), Colour.srgb())


def encode_picture(native: av.VideoFrame, suffix: str, options: dict[str, str] | None = None) -> bytes:
    """One picture as the bytes of a PNG or JPEG file. ``suffix`` is ".png", ".jpg" or ".jpeg"."""
    codec: Any = av.CodecContext.create(_ENCODERS[suffix], "w")
    codec.width, codec.height, codec.pix_fmt = native.width, native.height, native.format.name
    codec.time_base = Fraction(1)
    codec.color_range = native.color_range
    codec.options = options or {}
    native.pts, native.time_base = 0, Fraction(1)
    packets = [*codec.encode(native), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def encode_png(frame: Frame, alpha: bool) -> bytes:
    """A frame as the bytes of a PNG, of 8 bits for 8-bit frames and 16 for deeper ones, with its alpha if asked."""
    deep = frame.format.depth > 8
    name = {(0, 0): "rgb24", (0, 1): "rgb48be", (1, 0): "rgba", (1, 1): "rgba64be"}[alpha, deep]
    return encode_picture(to_rgb(native_of(frame), frame.colour, name), ".png")


class PictureWriter:
    """Writes frames as 000001.png, 000002.png, …: RGBA with straight alpha where frames have alpha.

    8-bit video gives 8-bit pictures, deeper video 16-bit ones. ``timestamps.txt`` beside them holds the
    time of each picture in milliseconds (the "timestamp format v2" of mkvmerge).
    """

    def __init__(self, place: Place, alpha: bool) -> None:
        self.warnings: list[str] = []
        self._place, self._alpha = place, alpha
        self._times: list[str] = ["# timestamp format v2"]

    def write(self, item: Frame | Packet[Any]) -> None:
        if isinstance(item, Packet):
            return
        self._save(f"{len(self._times):06d}.png", encode_png(item, self._alpha))
        self._times.append(f"{1000 * item.time:.3f}")

    def finish(self) -> None:
        self._save("timestamps.txt", ("\n".join(self._times) + "\n").encode())
        self._place.commit()

    def discard(self) -> None:
        self._place.discard()

    def _save(self, name: str, data: bytes) -> None:
        path: Path = self._place.path / name
        try:
            path.write_bytes(data)
        except OSError as error:
            raise OutputError(f"{self._place.final}: cannot be written ({error.strerror})") from error
