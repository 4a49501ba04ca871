"""Folders to learn from: each draws one framed image at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from streamseg.errors import InputError

from .augmentation import Example, Random, blend, close_up, crop_at_random, loose
from .images import list_images, read_mask, read_rgb, read_rgba
from .settings import Folder, Settings

__all__ = ["Source", "match", "open_sources"]


class Source(Protocol):
    """A folder that is drawn from.

    Attributes:
        weight: how often, relative to the others.
        summary: what it is, for the model card.
    """

    weight: float
    summary: str

    def draw(self, rng: Random, size: int) -> Example:
        """An image, framed for an input of ``size``; of any size itself. Raises InputError where one is damaged."""
        ...


def open_sources(settings: Settings) -> list[Source]:
    """All that ``settings`` name, their folders listed.

    Raises:
        InputError: a folder is missing or empty, or images and masks do not match.
    """
    backgrounds = [path for folder in settings.backgrounds for path in list_images(folder).values()]
    paper = settings.from_scratch and not settings.augment
    sources: list[Source] = [_Pairs(folder, paper) for folder in settings.pairs]
    sources += [_People(folder, backgrounds, settings.composite) for folder in settings.people]
    sources += [_Cutouts(folder, backgrounds) for folder in settings.cutouts]
    sources += [_Empty(folder) for folder in settings.empty]
    return sources + [_Unlabelled(folder, settings.teacher) for folder in settings.unlabelled]


def licence_of(folder: Path) -> str:
    """The first line of a file LICENSE or LICENCE in the folder."""
    for path in sorted(folder.glob("LICEN[CS]E*")):
        lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
        if lines:
            return lines[0]
    return "none stated (no file LICENSE in the folder)"


def _about(folder: Folder, what: str) -> str:
    return f"{folder.path.resolve().name}, weight {folder.weight:g}: {what}; licence: {licence_of(folder.path)}"


def match(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Images and masks of the same stem. Raises InputError where one is without the other."""
    left, right = list_images(images), list_images(masks)
    for stem in sorted(left.keys() ^ right.keys()):
        path, other = (left[stem], masks) if stem in left else (right[stem], images)
        raise InputError(f"{path}: nothing of that name in {other}")
    return [(left[stem], right[stem]) for stem in left]


class _Pairs:
    """images/ and masks/, as they are framed."""

    def __init__(self, folder: Folder, paper: bool = False) -> None:
        self.weight, self._paper = folder.weight, paper
        self._paths = match(folder.path / "images", folder.path / "masks")
        self.summary = _about(folder, f"{len(self._paths)} images with masks")

    def draw(self, rng: Random, size: int) -> Example:
        example = self._read(rng)
        return crop_at_random(rng, example, size) if self._paper else loose(rng, example)

    def _read(self, rng: Random) -> Example:
        image, mask = self._paths[rng.integers(len(self._paths))]
        rgb = read_rgb(image)
        return Example(rgb, read_mask(mask, rgb.shape[:2]))


class _People(_Pairs):
    """Close-ups of images/ and masks/, some over other backgrounds."""

    def __init__(self, folder: Folder, backgrounds: list[Path], composite: float) -> None:
        super().__init__(folder)
        self._backgrounds, self._composite = backgrounds, composite
        self.summary = _about(folder, f"{len(self._paths)} images with masks, as close-ups")

    def draw(self, rng: Random, size: int) -> Example:
        example = close_up(rng, self._read(rng))
        if rng.random() >= self._composite:
            return example
        return blend(rng, example, _one_of(rng, self._backgrounds))


class _Cutouts:
    """Images with alpha, close up or whole, over backgrounds."""

    def __init__(self, folder: Folder, backgrounds: list[Path]) -> None:
        self.weight, self._backgrounds = folder.weight, backgrounds
        self._paths = list(list_images(folder.path).values())
        self.summary = _about(folder, f"{len(self._paths)} cutouts over {len(backgrounds)} backgrounds")

    def draw(self, rng: Random, size: int) -> Example:
        rgba = read_rgba(self._paths[rng.integers(len(self._paths))])
        framing = close_up if rng.random() < 0.7 else loose
        cutout = framing(rng, Example(rgba[..., :3], rgba[..., 3]))
        return blend(rng, cutout, _one_of(rng, self._backgrounds))


class _Empty:
    """Images in which there is nobody."""

    def __init__(self, folder: Folder) -> None:
        self.weight = folder.weight
        self._paths = list(list_images(folder.path).values())
        self.summary = _about(folder, f"{len(self._paths)} images without a subject")

    def draw(self, rng: Random, size: int) -> Example:
        rgb = _one_of(rng, self._paths)
        return loose(rng, Example(rgb, np.zeros(rgb.shape[:2], np.uint8)))


class _Unlabelled:
    """Images whose maps the teacher draws, or has drawn into a folder."""

    def __init__(self, folder: Folder, teacher: str | None) -> None:
        self.weight = folder.weight
        self._paths: list[tuple[Path, Path | None]]
        if teacher is not None and Path(teacher).is_dir():
            self._paths = [*match(folder.path, Path(teacher))]
        else:
            self._paths = [(path, None) for path in list_images(folder.path).values()]
        self.summary = _about(folder, f"{len(self._paths)} images with maps of a teacher ({teacher})")

    def draw(self, rng: Random, size: int) -> Example:
        image, map_ = self._paths[rng.integers(len(self._paths))]
        rgb = read_rgb(image)
        return loose(rng, Example(rgb, None if map_ is None else read_mask(map_, rgb.shape[:2])))


def _one_of(rng: Random, paths: list[Path]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return read_rgb(paths[rng.integers(len(paths))])
