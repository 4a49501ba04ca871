"""Images that a network is calibrated with, as it sees them, and images that are held back to measure on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.network.architecture import MEAN, STD
from streamseg.network.published import prepare, resize

from ..train.images import list_images, read_rgb

__all__ = ["Calibration", "calibration_of", "empty_inputs", "random_crop", "video_input"]

Array = NDArray[np.float32]

_FEWEST = 5
# Of five images one is held back, at most so many; of the others so many are used.
_HELD_BACK, _USED = 24, 160
_GREYS = (0, 8, 16, 30, 60, 90, 128, 170, 210, 255)
_RAMPS = ((0, 255), (0, 128), (128, 255), (255, 0), (30, 60))


@dataclass(frozen=True)
class Calibration:
    """What the network is calibrated with.

    Attributes:
        used, held_back: images; the first calibrate, the others are measured on.
        sizes: sides of the input, in pixels.
    """

    used: list[Path]
    held_back: list[Path]
    sizes: tuple[int, ...]

    def inputs(self, most: int | None = None) -> Iterator[Array]:
        """Normalised inputs, float32 [1, 3, size, size], the sizes in turn: images, and empty ones.

        Half of the images are whole and normalised as published, by their own maximum; half are crops, normalised as
        frames are.

        Args:
            most: of the images, with a quarter of the empty ones; None for all.
        """
        rng = np.random.default_rng(0)
        for number, path in enumerate(_spread(self.used, most or len(self.used))):
            size, rgb = self.sizes[number % len(self.sizes)], read_rgb(path)
            if number // len(self.sizes) % 2:
                yield video_input(random_crop(rgb, rng), size)
            else:
                yield np.asarray(prepare(rgb, size)[None])
        for number, size in enumerate(self.sizes):
            yield from empty_inputs(size)[number :: len(self.sizes) * (1 if most is None else 4)]


def calibration_of(folders: Sequence[Path], sizes: Sequence[int]) -> Calibration:
    """Images of some folders, as many of each, evenly in the order of their names.

    Raises:
        InputError: a folder is missing, or has too few images.
    """
    used: list[Path] = []
    held_back: list[Path] = []
    for folder in folders:
        paths = list(list_images(folder).values())
        if len(paths) < _FEWEST:
            raise InputError(f"{folder}: {len(paths)} images are too few: give {_FEWEST} or more, better 100")
        kept = _spread(paths, min(max(1, _HELD_BACK // len(folders)), len(paths) // 5))
        held_back += kept
        used += _spread(sorted(set(paths) - set(kept)), max(1, _USED // len(folders)))
    return Calibration(used, held_back, tuple(sizes))


def _spread(paths: Sequence[Path], count: int) -> list[Path]:
    """So many of them, evenly spread."""
    count = min(count, len(paths))
    return [paths[(2 * k + 1) * len(paths) // (2 * count)] for k in range(count)]


def random_crop(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half or more of either side, flipped or not, sometimes darker, sometimes noisy."""
    rows, columns = np.maximum(1, rng.uniform(0.5, 1, 2) * rgb.shape[:2]).astype(int)
    top, left = rng.integers(rgb.shape[0] - rows + 1), rng.integers(rgb.shape[1] - columns + 1)
    brightness = rng.uniform(0.4, 1.1) if rng.random() < 0.4 else 1.0
    noise = rng.uniform(2, 12) if rng.random() < 0.2 else 0.0
    crop = brightness * rgb[top : top + rows, left : left + columns][:, :: rng.choice([1, -1])]
    return np.clip(crop + rng.normal(0, noise, crop.shape), 0, 255).astype(np.uint8)


def video_input(rgb: NDArray[np.uint8], size: int) -> Array:
    """uint8 [rows, columns, 3] normalised as frames are, with a fixed scale: float32 [1, 3, size, size]."""
    return _normalise(255 * resize(rgb.astype(np.float32) / np.float32(255), (size, size), True))


def empty_inputs(size: int) -> list[Array]:
    """Flat images and gradients, normalised as frames are: each float32 [1, 3, size, size]."""
    images = [np.full((size, size, 3), grey, np.float32) for grey in _GREYS]
    for low, high in _RAMPS:
        ramp = np.linspace(low, high, size, dtype=np.float32)
        images += [np.broadcast_to(axis, (size, size, 3)) for axis in (ramp[None, :, None], ramp[:, None, None])]
    return [_normalise(image) for image in images]


def _normalise(rgb: Array) -> Array:
    """float32 RGB [size, size, 3] in [0, 255], normalised as frames are: float32 [1, 3, size, size]."""
    mean, deviation = (np.array(values, np.float32).reshape(3, 1, 1) for values in (MEAN, STD))
    return np.asarray(((rgb.transpose(2, 0, 1) / 255 - mean) / deviation)[None], np.float32)
