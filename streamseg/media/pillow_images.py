"""Images that Pillow decodes, and FFmpeg does not, or not in the right colours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.media.icc import from_pillow
from streamseg.media.silence import without_warnings

__all__ = ["PillowImage", "prefers_pillow", "read_by_pillow"]

# Not all that Pillow knows: some formats are programs that it would run.
_FORMATS = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "I;16", "I;16B", "I;16L")
# Bytes that are filled up.
_MOST_MISSING = 64 << 20
# Tags of TIFF 6.0 and their values: FFmpeg shows JPEG as black, and takes full range for limited.
_COMPRESSION, _JPEG = 259, (6, 7)
_PHOTOMETRIC, _YCBCR = 262, 6


@dataclass(frozen=True, slots=True)
class PillowImage:
    """A decoded image.

    Attributes:
        rgb: upright, uint8 [rows, columns, 3], or 4 where it has alpha.
        is_srgb: whether it had an ICC profile, by which it is in sRGB now.
        damage: why only a part of it could be decoded; "" for all of it.
    """

    rgb: NDArray[np.uint8]
    is_srgb: bool
    damage: str


def prefers_pillow(path: str) -> bool:
    """Whether a TIFF is of a kind that FFmpeg decodes wrongly."""
    try:
        with _opened(path) as image:
            tags: Any = image.tag_v2
            return tags.get(_COMPRESSION) in _JPEG or tags.get(_PHOTOMETRIC) == _YCBCR
    except (OSError, ValueError, SyntaxError, AttributeError):
        return False  # the message is that of the decoder that is tried next


def read_by_pillow(path: str) -> PillowImage:
    """The first image of a file; of a damaged one what can be decoded.

    Raises:
        InputError: there is nothing that Pillow decodes.
    """
    from PIL import UnidentifiedImageError
    from PIL.Image import DecompressionBombError

    try:
        with _opened(path) as image:
            damage = f"{lost} bytes are missing at its end" if (lost := _missing(Path(path))) else ""
            if image.format == "WEBP" and image.is_animated:
                raise InputError(
                    f"{path}: is an animated WebP, which FFmpeg does not decode; save it as GIF, APNG or a video"
                )
            damage = _load(image) or damage
            if image.mode not in _MODES:
                raise InputError(f"{path}: contains no image that can be decoded (samples of type {image.mode})")
            return PillowImage(from_pillow(_eight_bits(image)), bool(image.info.get("icc_profile")), damage)
    except (OSError, ValueError, SyntaxError, RuntimeError, EOFError, DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        # Pillow names a file object where it has no better words.
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        raise InputError(f"{path}: contains no image that can be decoded{reason}") from error


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    from PIL import Image

    with without_warnings(), _completed(Path(path)) as file, Image.open(file, formats=_FORMATS) as image:
        yield image


def _missing(path: Path) -> int:
    """How many bytes are missing at the end of a WebP, which says at its beginning how long it is."""
    with path.open("rb") as file:
        head, length = file.read(12), file.seek(0, os.SEEK_END)
    announced = 8 + int.from_bytes(head[4:8], "little")
    return max(0, announced - length) if head[:4] == b"RIFF" and head[8:] == b"WEBP" else 0


def _completed(path: Path) -> BinaryIO:
    """The file; zeros in place of what is missing let the part before be decoded."""
    missing = _missing(path)
    return BytesIO(path.read_bytes() + bytes(missing)) if 0 < missing <= _MOST_MISSING else path.open("rb")


def _load(image: Any) -> str:
    """Decode ``image``; the reason if a part of it cannot be decoded."""
    try:
        image.load()
    except OSError as error:
        if image.im is None or image.format == "WEBP":
            raise
        image.tile = []  # what was decoded is there: it need not be loaded again
        return str(error)
    return ""


def _eight_bits(image: Any) -> Any:
    from PIL import Image

    if not image.mode.startswith("I;16"):
        return image
    # Pillow would clip them.
    return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
