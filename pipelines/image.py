"""One picture in, one picture out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from streamseg.errors import OptionError, OutputError
from streamseg.frame import Frame, PixelFormat
from streamseg.media.conform import Shape
from streamseg.media.native import native_of
from streamseg.media.pictures import encode_picture, encode_png, read_picture
from streamseg.media.place import Place
from streamseg.media.scale import to_jpeg

from .effect import TRANSPARENT, open_effect
from .segmenter import Segmenter

__all__ = ["process_image"]

_JPEG = (".jpg", ".jpeg")


def process_image(
    source: str | Path,
    output: str | Path,
    background: str | None = None,
    *,
    overwrite: bool = False,
    **segmenter: Any,
) -> None:
    """Give one picture a new background; composited in RGB, at its own depth.

    Args:
        source: a picture that FFmpeg decodes.
        output: .png, .jpg or .jpeg.
        background: as for VideoJob; None is "transparent" for PNG, "blur" for JPEG.
        overwrite: replace an existing output.
        segmenter: options of Segmenter.

    Raises:
        InputError: the picture cannot be read.
        OptionError: an output that is no picture, or transparency in a JPEG.
        OutputError: the output cannot be written.
    """
    suffix = Path(output).suffix.lower()
    background = background or ("blur" if suffix in _JPEG else TRANSPARENT)
    _check(output, suffix, background)
    picture = read_picture(str(source))
    place = Place(Path(output), overwrite)
    try:
        frame = _processed(picture, background, segmenter)
        place.path.write_bytes(_encoded(frame, suffix))
        place.commit()
    except OSError as error:
        place.discard()
        raise OutputError(f"{output}: cannot be written ({error.strerror})") from error
    except BaseException:
        place.discard()
        raise


def _check(output: str | Path, suffix: str, background: str) -> None:
    if suffix not in (".png", *_JPEG):
        raise OptionError(f"{output}: unknown kind of picture; expected .png, .jpg or .jpeg")
    if suffix in _JPEG and background == TRANSPARENT:
        raise OptionError(f"{output}: JPEG cannot hold transparency; use .png")


def _processed(picture: Frame, background: str, options: dict[str, Any]) -> Frame:
    segmenter = Segmenter(**options)
    shape = Shape(picture.width, picture.height, picture.format, picture.colour, Fraction(0))
    target = PixelFormat.make(picture.format.depth, 0, 0, background == TRANSPARENT, rgb=True)
    effect = open_effect(background, segmenter.device, shape, target)
    try:
        return effect.apply(*segmenter.cut_out(picture))
    finally:
        effect.close()


def _encoded(frame: Frame, suffix: str) -> bytes:
    if suffix in _JPEG:
        return encode_picture(to_jpeg(native_of(frame)), suffix)
    return encode_png(frame, frame.format.alpha)
