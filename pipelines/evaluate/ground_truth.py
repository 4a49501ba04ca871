"""Folders of images and their masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.media.images import IMAGE_SUFFIXES, read_image
from streamseg.media.pixels.conform import Conformer
from streamseg.media.reading.source import open_input

__all__ = ["Pairs", "find_sequences", "read_mask", "read_pairs"]

# Image files have no time stamps; methods may need some.
_TIME_BASE = Fraction(1, 25)
# Code values above this fraction of the maximum are foreground, as in PySODMetrics (128 in 8 bits).
_MASK_THRESHOLD = 128 / 255
# Names of the two folders of a set: ours, and those of DIS5K.
_PARTS = (("images", "masks"), ("im", "gt"))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Images and their masks, in the order of their names.

    Attributes:
        name: of the folder.
        paths: image and mask, both of the same stem.
    """

    name: str
    paths: list[tuple[Path, Path]]

    def frames(self) -> Iterator[tuple[Frame, NDArray[np.bool_]]]:
        """The images as frames of one video, Y′CbCr, 25 a second, each with its mask, bool [rows, columns].

        Raises:
            InputError: an image does not decode, or sizes differ.
        """
        conformer: Conformer | None = None
        for pts, (image, mask) in enumerate(self.paths):
            native = _decoded(image)
            conformer = conformer or Conformer(native, Fraction(0))
            shape = conformer.shape
            if (native.width, native.height) != (shape.width, shape.height):
                raise InputError(
                    f"{image}: is {native.width}×{native.height}, expected {shape.width}×{shape.height} as the first"
                )
            yield conformer(native, pts, _TIME_BASE), read_mask(mask, shape.width, shape.height)


def read_pairs(folder: Path) -> Pairs:
    """The pairs of ``folder``/images and ``folder``/masks, or of im and gt as in DIS5K, matched by stem.

    Raises:
        InputError: there is no such folder, nothing in it, or an image without a mask or the reverse.
    """
    image_part, mask_part = _parts(folder) or _PARTS[0]
    images, masks = _by_stem(folder / image_part), _by_stem(folder / mask_part)
    for stem in sorted(images.keys() ^ masks.keys()):
        path, other = (images[stem], mask_part) if stem in images else (masks[stem], image_part)
        raise InputError(f"{path}: no file of the same name in {folder / other}")
    return Pairs(folder.resolve().name, [(images[stem], masks[stem]) for stem in sorted(images)])


def find_sequences(folder: Path) -> list[Pairs]:
    """``folder`` itself where it holds images/ (or im/), else each folder in it that does.

    Raises:
        InputError: there is none, or the images and masks of one do not match.
    """
    if _parts(folder):
        return [read_pairs(folder)]
    inner = sorted(path for path in folder.iterdir() if _parts(path)) if folder.is_dir() else []
    if not inner:
        raise InputError(f"{folder}: expected the folders images and masks in it, or folders with these two")
    return [read_pairs(path) for path in inner]


def _parts(folder: Path) -> tuple[str, str] | None:
    return next((parts for parts in _PARTS if (folder / parts[0]).is_dir()), None)


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the folders images and masks side by side")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    found = {path.stem: path for path in paths}
    if len(found) < len(paths):
        duplicate = next(path for path in paths if found[path.stem] != path)
        raise InputError(f"{duplicate}: another image has the same name up to the suffix")
    if not found:
        raise InputError(f"{folder}: holds no images")
    return found


def read_mask(path: Path, width: int, height: int) -> NDArray[np.bool_]:
    """A mask, bool [rows, columns]: true where the brightest of R, G and B is above half.

    Raises:
        InputError: it does not decode, or has another size.
    """
    mask = read_image(str(path))
    if (mask.width, mask.height) != (width, height):
        raise InputError(f"{path}: is {mask.width}×{mask.height}, expected {width}×{height} as the image")
    brightest = np.maximum.reduce(mask.planes[:3])
    return np.asarray(brightest > _MASK_THRESHOLD * mask.format.maximum)


def _decoded(path: Path) -> av.VideoFrame:
    with open_input(str(path)) as container:
        try:
            return next(container.decode(video=0))
        except (StopIteration, av.error.FFmpegError) as error:
            raise InputError(f"{path}: holds no image that decodes") from error
