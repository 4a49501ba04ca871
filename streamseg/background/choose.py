"""From the value of ``--bg`` to a background."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import webcolors

from streamseg.background.base import Background, StillBackground
from streamseg.background.blur import BlurredBackground
from streamseg.background.fit import fitted
from streamseg.background.video import VideoBackground
from streamseg.errors import InputError, OptionError
from streamseg.frame import Frame, Plane
from streamseg.media.images import image_frame, is_image, plain_file, read_image
from streamseg.media.pixels.conform import Shape
from streamseg.media.reading.source import is_address, is_present, reads_once

__all__ = ["DEFAULT_BLUR", "is_colour", "open_background"]

DEFAULT_BLUR = 0.5
_EXPECTED = "expected an image, a video, blur, blur:STRENGTH, a colour (name or #rrggbb), transparent or matte"


def open_background(spec: str | Path, shape: Shape, begins: float | None = None) -> Background:
    """The background that ``spec`` names, for frames of ``shape``.

    Args:
        spec: path of an image (cover fit) or of a video (looped), whatever their suffixes, "blur", "blur:STRENGTH" with
            a strength above 0 and up to 1, a CSS colour name or "#rrggbb". From a pipe ("-" too) an image only.
        shape: shape of the frames.
        begins: time of the frame with which a video begins, in seconds; None for that of the first one.

    Raises:
        OptionError: neither text nor a path, a blur strength out of range, or a malformed "#rrggbb".
        MissingDependency: see streamseg.media.images.read_image.
        InputError: no such file or colour, or a file that cannot be decoded.
    """
    if not isinstance(spec, (str, Path)):
        raise OptionError(f"background is {type(spec).__name__}: {_EXPECTED}, as text or as a path")
    spec = str(spec)
    word, _, strength = spec.partition(":")
    if word == "blur":
        return BlurredBackground(shape, _strength(strength))
    rgb = _colour(spec)
    if rgb is not None:
        return StillBackground(_flat(rgb, shape))
    if not spec or not (is_address(spec) or is_present(spec)):
        raise InputError(f"background {spec}: no such file or colour; {_EXPECTED}")
    if reads_once(spec):
        return StillBackground(fitted(_image_of_pipe(spec), shape))
    if is_image(spec):
        return StillBackground(fitted(read_image(spec), shape))
    return VideoBackground(spec, shape, begins)


def is_colour(spec: str) -> bool:
    """Whether ``spec`` is a CSS colour name or "#rrggbb". Raises OptionError for a malformed "#rrggbb"."""
    return _colour(spec) is not None


def _image_of_pipe(spec: str) -> Frame:
    with plain_file(spec) as file:
        if is_image(file):
            return read_image(file)
    raise InputError(f"background {spec}: a video cannot come from a pipe, because it is looped; name a file")


def _strength(text: str) -> float:
    try:
        strength = float(text) if text else DEFAULT_BLUR
    except ValueError:
        strength = 0.0
    if not 0 < strength <= 1:
        raise OptionError(f"blur strength {text!r}: expected a number above 0 and up to 1")
    return strength


def _colour(spec: str) -> tuple[int, int, int] | None:
    try:
        value = webcolors.hex_to_rgb(spec) if spec.startswith("#") else webcolors.name_to_rgb(spec)
    except ValueError:
        if spec.startswith("#"):
            raise OptionError(f"colour {spec}: expected #rrggbb") from None
        return None
    return value.red, value.green, value.blue


def _flat(rgb: tuple[int, int, int], shape: Shape) -> tuple[Plane, ...]:
    patch = fitted(image_frame(np.full((16, 16, 3), rgb, np.uint8)), replace(shape, width=16, height=16))
    sizes = shape.format.opaque().shapes(shape.width, shape.height)
    return tuple(np.broadcast_to(plane[:1, :1], size) for plane, size in zip(patch, sizes, strict=True))
