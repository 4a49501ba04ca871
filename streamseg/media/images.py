"""Still images: reading and encoding."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from streamseg.errors import InputError, MissingDependency, StreamsegWarning
from streamseg.frame import Colour, Frame, PixelFormat
from streamseg.media.heif import is_composed, is_heif, read_composed
from streamseg.media.heif_transforms import transforms_of
from streamseg.media.icc import from_pillow, to_srgb
from streamseg.media.pillow_images import prefers_pillow, read_by_pillow
from streamseg.media.pixels.native import colour_of, declared_colour, is_rgb, native_of, plane_views
from streamseg.media.pixels.orient import Orientation
from streamseg.media.pixels.scale import to_rgb
from streamseg.media.primaries import named_to_srgb
from streamseg.media.reading.dump import ffmpeg_words
from streamseg.media.reading.restriction import restriction
from streamseg.media.reading.source import open_input, reads_once

__all__ = ["IMAGE_SUFFIXES", "encode_image", "encode_png", "image_frame", "is_image", "plain_file", "read_image"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_MOVING = ("gif", "apng", "ico")
# What decoders say as a warning of an image that lacks something, and as an error of what is no part of the image.
_INCOMPLETE = re.compile(r"EOI missing|incomplete|mismatch", re.IGNORECASE)
_METADATA = re.compile(r"exif|\bAPP|\bICC|iccp|xmp|marker", re.IGNORECASE)
_ENCODERS = {".png": "png", ".jpg": "mjpeg", ".jpeg": "mjpeg"}


def read_image(path: str) -> Frame:
    """The first image of a file, upright, as an sRGB frame (gbrp or gbrap, 8 or 16 bits); the largest of an icon.

    Colours of an ICC profile, or of other named primaries, are converted to sRGB (see streamseg.media.icc and
    streamseg.media.primaries). HEIC and AVIF images of several tiles, and what FFmpeg does not decode, are read by
    other libraries (see streamseg.media.heif and streamseg.media.pillow_images). Of a damaged image, what can be
    decoded is given, with a StreamsegWarning.

    Raises:
        InputError: the file cannot be opened or contains no image that decodes.
        MissingDependency: it is a HEIC image of tiles, and the extra ``heif`` is not installed.
    """
    with plain_file(path) as file:
        return _read(file)


@contextmanager
def plain_file(path: str) -> Iterator[str]:
    """A file that can be read several times: ``path``, or a copy of a pipe or standard input, whose name stays unknown.

    Raises:
        InputError: the pipe cannot be read.
    """
    if not reads_once(path) or restriction() is not None:
        yield path
        return
    with TemporaryDirectory(prefix="streamseg-") as folder, warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        file = str(Path(folder, "image"))
        try:
            with Path(file).open("wb") as copy, open(0 if path == "-" else path, "rb", closefd=path != "-") as pipe:
                shutil.copyfileobj(pipe, copy)
            yield file
        except (InputError, MissingDependency) as error:
            raise type(error)(str(error).replace(file, path)) from error
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    for each in given:
        warnings.warn(str(each.message).replace(file, path), each.category, stacklevel=4)


def _read(path: str) -> Frame:
    with open_input(path) as container:
        if not container.streams.video:
            raise InputError(f"{path}: contains no image")
        video = _largest(container, path)
        # What a HEIF file says of colour precedes what the image in it says.
        named = declared_colour(video) if is_heif(container) else Colour()
        if is_composed(container):
            rgb, is_srgb = read_composed(path, container)
            return _frame(rgb) if is_srgb else named_to_srgb(_frame(rgb), named, path)
        transforms = transforms_of(path) if is_heif(container) else None
        is_tiff = container.format.name == "tiff_pipe"
        native, damage = (None, "") if is_tiff and prefers_pillow(path) else _decoded(container, video)
    if native is None:
        return _read_by_pillow(path, damage)
    components = native.format.components
    is_16_bit, alpha = components[0].bits > 8, any(component.is_alpha for component in components)
    pixel_format = PixelFormat.make(16 if is_16_bit else 8, 0, 0, alpha or native.format.has_palette, rgb=True)
    colour = named.completed(_colour_of(native, is_tiff))
    planes = plane_views(to_rgb(native, colour, pixel_format.name), pixel_format)
    for transform in [Orientation.of(native).apply] if transforms is None else transforms:
        planes = tuple(transform(plane) for plane in planes)
    frame = Frame(planes, pixel_format, 0, Fraction(1), Colour.srgb())
    if damage:
        _report(frame, damage, path)
    return to_srgb(frame, path) or named_to_srgb(frame, colour, path)


def _decoded(container: InputContainer, video: VideoStream) -> tuple[av.VideoFrame | None, str]:
    """The first image, None if it cannot be decoded; and what FFmpeg says is wrong with it, "" for nothing."""
    video.thread_type = "NONE"  # messages of its threads would not be heard
    native = None
    with ffmpeg_words(av.logging.WARNING) as words:
        try:
            native = next(container.decode(video), None)
        except av.error.FFmpegError as error:
            words.append((av.logging.ERROR, "", str(error.strerror)))
    said = [message.strip() for level, _, message in words if _is_damage(level, message)]
    if native is not None and native.is_corrupt:
        said.append("errors were concealed")
    # The first frame of a clip may well depend on frames that are not there.
    is_whole = not said or not (_is_still(container) or container.format.name in _MOVING)
    return native, "" if is_whole else said[0]


def _largest(container: InputContainer, path: str) -> VideoStream:
    videos = container.streams.video if container.format.name == "ico" else container.streams.video[:1]
    video = max(videos, key=lambda each: each.width * each.height if each.codec_context else 0)
    if video.codec_context is None:
        raise InputError(f"{path}: contains an image in a format that no decoder knows")
    return video


def _is_still(container: InputContainer) -> bool:
    name = container.format.name
    return name.endswith("_pipe") or name == "image2" or is_heif(container)


def _is_damage(level: int, message: str) -> bool:
    return (level <= av.logging.ERROR or _INCOMPLETE.search(message) is not None) and not _METADATA.search(message)


def _read_by_pillow(path: str, damage: str) -> Frame:
    try:
        image = read_by_pillow(path)
    except InputError as error:
        raise InputError(f"{error}; {damage}" if damage else str(error)) from error
    frame = _frame(image.rgb)
    if image.damage:
        _report(frame, image.damage, path)
    return frame


def _report(frame: Frame, damage: str, path: str) -> None:
    """Warn of a damaged image. Raises InputError if nothing of it was decoded."""
    if all(not np.ptp(plane) for plane in frame.planes):
        raise InputError(f"{path}: is damaged ({damage}): nothing of the image can be decoded")
    warnings.warn(f"{path}: the image is damaged ({damage}); what could be decoded is used", StreamsegWarning, 3)


def _colour_of(native: av.VideoFrame, is_tiff: bool) -> Colour:
    """The colour description of a decoded image: grey is full range unless its file says otherwise."""
    colour = colour_of(native)
    if is_tiff:  # it has no such names: FFmpeg makes grey ones up
        colour = Colour(colour.matrix, colour.range)
    is_grey = len(native.format.components) < 3 and not is_rgb(native.format)
    return colour.completed(Colour(range=2)) if is_grey else colour


def is_image(path: str) -> bool:
    """Whether a file is a still image, whatever its name: by its content. Animations (GIF, APNG) are not.

    Raises:
        InputError: it cannot be opened.
    """
    with open_input(path) as container:
        return _is_still(container)


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
