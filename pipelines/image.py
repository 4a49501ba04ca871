"""An image file in, an image file out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from streamseg.errors import OptionError, OutputError
from streamseg.frame import Frame, PixelFormat
from streamseg.media.images import encode_image, encode_png, read_image
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.native import native_of
from streamseg.media.pixels.scale import to_jpeg
from streamseg.media.writing.output_file import OutputFile, check_output

from .segmenter import Segmenter
from .stages.effect import TRANSPARENT, open_effect

__all__ = ["encoded_image", "process_image", "with_background"]

_JPEG = (".jpg", ".jpeg")


def process_image(
    source: str | Path,
    output: str | Path,
    background: str | Path | None = None,
    *,
    overwrite: bool = False,
    **segmenter: Any,
) -> None:
    """Give one image a new background; composited in RGB, at its own bit depth.

    Args:
        source: an image that FFmpeg decodes.
        output: .png, .jpg or .jpeg.
        background: as for VideoJob; None is "transparent" for PNG, "blur" for JPEG.
        overwrite: replace an existing output.
        segmenter: options of Segmenter.

    Raises:
        InputError: the image cannot be read.
        OptionError: an output that is no PNG or JPEG, transparency in a JPEG, or a background that is none.
        MissingDependency: a HEIC image, and the extra ``heif`` is not installed.
        OutputError: the output cannot be written.
    """
    if not isinstance(output, (str, Path)):
        raise OptionError(f"output is {type(output).__name__}: expected a path")
    suffix = Path(output).suffix.lower()
    background = ("blur" if suffix in _JPEG else TRANSPARENT) if background is None else background
    if not isinstance(background, (str, Path)):
        raise OptionError(f"background is {type(background).__name__}: expected a path or one of the words of --bg")
    background = str(background)
    check_output(Path(output), overwrite)
    _check(output, suffix, background)
    image = read_image(str(source))
    file = OutputFile(Path(output), overwrite)
    try:
        frame = with_background(image, background, Segmenter(**segmenter))
        file.path.write_bytes(encoded_image(frame, suffix))
        file.commit()
    except OSError as error:
        file.discard()
        raise OutputError(f"{output}: cannot be written ({error.strerror})") from error
    except BaseException:
        file.discard()
        raise


def _check(output: str | Path, suffix: str, background: str) -> None:
    if suffix not in (".png", *_JPEG):
        raise OptionError(f"{output}: unknown image format; expected .png, .jpg or .jpeg")
    if suffix in _JPEG and background == TRANSPARENT:
        raise OptionError(f"{output}: JPEG cannot hold transparency; use .png")


def with_background(image: Frame, background: str, segmenter: Segmenter) -> Frame:
    """``image`` with another background.

    Args:
        image: in RGB.
        background: "transparent" gives a frame with alpha, "matte" the matte; else what open_background takes.
        segmenter: any thread may use the same one.

    Raises:
        OptionError, InputError: there is no such background.
    """
    shape = Shape(image.width, image.height, image.format, image.colour, Fraction(0))
    target = PixelFormat.make(image.format.depth, 0, 0, background == TRANSPARENT, rgb=True)
    effect = open_effect(background, segmenter.device, shape, target)
    try:
        return effect.apply(*segmenter.cut_out(image))
    finally:
        effect.close()


def encoded_image(frame: Frame, suffix: str) -> bytes:
    """The bytes of an image file; ``suffix``: ".png", ".jpg" or ".jpeg"."""
    if suffix in _JPEG:
        return encode_image(to_jpeg(native_of(frame)), suffix)
    return encode_png(frame, frame.format.alpha)
