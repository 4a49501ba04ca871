"""Still images: reading and encoding."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Colour, Frame, PixelFormat
from streamseg.media.heif import is_composed, is_heif, read_composed
from streamseg.media.icc import from_pillow, to_srgb
from streamseg.media.pixels.native import colour_of, declared_colour, native_of, plane_views
from streamseg.media.pixels.orient import Orientation
from streamseg.media.pixels.scale import to_rgb
from streamseg.media.primaries import named_to_srgb
from streamseg.media.reading.source import open_input

__all__ = ["IMAGE_SUFFIXES", "encode_image", "encode_png", "image_frame", "is_image", "read_image"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_ENCODERS = {".png": "png", ".jpg": "mjpeg", ".jpeg": "mjpeg"}


def read_image(path: str) -> Frame:
    """The first image of a file, upright, as an sRGB frame (gbrp or gbrap, 8 or 16 bits).

    Colours of an ICC profile, or of other named primaries, are converted to sRGB (see streamseg.media.icc and
    streamseg.media.primaries); HEIC and AVIF images of several tiles are read whole, by the library that puts them
    together.

    Raises:
        InputError: the file cannot be opened or contains no image that decodes.
        MissingDependency: it is a HEIC image of tiles, and the extra ``heif`` is not installed.
    """
    with open_input(path) as container:
        if not container.streams.video:
            raise InputError(f"{path}: contains no image")
        # What a HEIF file says of colour precedes what the image in it says.
        named = declared_colour(container.streams.video[0]) if is_heif(container) else Colour()
        if is_composed(container):
            rgb, is_srgb = read_composed(path, container)
            return _frame(rgb) if is_srgb else named_to_srgb(_frame(rgb), named, path)
        try:
            native = next(container.decode(video=0))
        except (StopIteration, av.error.FFmpegError) as error:
            raise InputError(f"{path}: contains no image that can be decoded{_why(container)}") from error
    components = native.format.components
    is_16_bit, alpha = components[0].bits > 8, any(component.is_alpha for component in components)
    pixel_format = PixelFormat.make(16 if is_16_bit else 8, 0, 0, alpha or native.format.has_palette, rgb=True)
    orientation = Orientation.of(native)
    colour = named.completed(colour_of(native))
    converted = to_rgb(native, colour, pixel_format.name)
    planes = tuple(orientation.apply(plane) for plane in plane_views(converted, pixel_format))
    frame = Frame(planes, pixel_format, 0, Fraction(1), Colour.srgb())
    return to_srgb(frame, path) or named_to_srgb(frame, colour, path)


def is_image(path: str) -> bool:
    """Whether a file is a still image, whatever its name: by its content. Animations (GIF, APNG) are not.

    Raises:
        InputError: it cannot be opened.
    """
    with open_input(path) as container:
        name = container.format.name
        return name.endswith("_pipe") or name == "image2" or is_heif(container)


def image_frame(image: Any) -> Frame:
    """A frame (gbrp) of an sRGB array, uint8 [rows, columns, 3], or of an image of Pillow's.

    Raises:
        InputError: it is anything else.
    """
    if type(image).__module__.split(".")[0] == "PIL":
        return _frame(from_pillow(image)[..., :3])
    try:
        rgb = np.asarray(image)
    except (ValueError, TypeError) as error:
        raise InputError(f"image is {type(image).__name__}: expected uint8 of shape [rows, columns, 3], RGB") from error
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        got = f"{rgb.dtype} of shape {rgb.shape}"
        raise InputError(f"image is {got}: expected uint8 of shape [rows, columns, 3], RGB")
    return _frame(rgb)


def _frame(rgb: NDArray[np.uint8]) -> Frame:
    """A frame of uint8 [rows, columns, 3], or 4 with alpha."""
    pixel_format = PixelFormat.make(8, 0, 0, rgb.shape[2] == 4, rgb=True)
    planes = tuple(rgb[..., k] for k in (1, 2, 0, 3)[: rgb.shape[2]])
    return Frame(planes, pixel_format, 0, Fraction(1), Colour.srgb())


def _why(container: InputContainer) -> str:
    if container.format.name == "webp_pipe":
        return ": it may be an animated WebP, which FFmpeg does not decode; save it as GIF, APNG or a video"
    return ""


def encode_image(native: av.VideoFrame, suffix: str, options: dict[str, str] | None = None) -> bytes:
    """``native`` as the bytes of a PNG or JPEG file.

    Args:
        native: in a pixel format of that encoder; its time stamp is overwritten.
        suffix: ".png", ".jpg" or ".jpeg".
        options: options of FFmpeg's encoder.
    """
    codec: Any = av.CodecContext.create(_ENCODERS[suffix], "w")
    codec.width, codec.height, codec.pix_fmt = native.width, native.height, native.format.name
    codec.time_base = Fraction(1)
    codec.color_range = native.color_range
    codec.options = options or {}
    native.pts, native.time_base = 0, Fraction(1)
    packets = [*codec.encode(native), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def encode_png(frame: Frame, alpha: bool) -> bytes:
    """``frame`` as the bytes of a PNG, RGB or RGBA: 8 bits per sample for 8-bit frames, 16 for deeper ones."""
    is_16_bit = frame.format.depth > 8
    name = {(0, 0): "rgb24", (0, 1): "rgb48be", (1, 0): "rgba", (1, 1): "rgba64be"}[alpha, is_16_bit]
    return encode_image(to_rgb(native_of(frame), frame.colour, name), ".png")
