"""How good the maps are on folders that are not learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from streamseg.metrics import iou, mae
from streamseg.network.u2net import U2Net

from .augmentation import Example, resize
from .images import read_mask, read_rgb
from .objective import normalise
from .sources import match

__all__ = ["Sample", "Score", "Validation"]

# Of each set, so many images are shown.
_SHOWN = 4


@dataclass(frozen=True)
class Score:
    """Of one set at one size of the input.

    Attributes:
        name: of the set.
        size: side of the input, in pixels.
        iou: mean intersection over union, maps and masks cut at one half; in [0, 1].
        mae: mean absolute error; in [0, 1].
        worst_tenth: what one image in ten is below, by IoU; in [0, 1].
    """

    name: str
    size: int
    iou: float
    mae: float
    worst_tenth: float


@dataclass(frozen=True)
class Sample:
    """An image, its mask and its map, for people to look at: float32 [3, S, S], [1, S, S], [1, S, S] in [0, 1]."""

    image: Tensor
    mask: Tensor
    map: Tensor


class Validation:
    """Sets of images with masks, and the sizes at which they are measured.

    Args:
        folders: each with images/ and masks/.
        sizes: sides of the input, in pixels.

    Raises:
        InputError: a folder is missing or empty, or images and masks do not match.
    """

    def __init__(self, folders: tuple[Path, ...], sizes: tuple[int, ...]) -> None:
        self._sets = {folder.resolve().name: match(folder / "images", folder / "masks") for folder in folders}
        self._sizes = sizes

    def __call__(self, model: U2Net, device: torch.device) -> tuple[list[Score], list[Sample]]:
        """Measure a folded network in evaluation mode; gives scores and some samples at the largest size.

        Raises:
            InputError: an image does not decode, or does not fit its mask.
        """
        scores: list[Score] = []
        samples: list[Sample] = []
        for name, paths in self._sets.items():
            figures: dict[int, list[tuple[float, float]]] = {size: [] for size in self._sizes}
            shown = set(range(0, len(paths), max(len(paths) // _SHOWN, 1))[:_SHOWN])
            for index, (image, mask) in enumerate(paths):
                rgb = read_rgb(image)
                example = Example(rgb, read_mask(mask, rgb.shape[:2]))
                for size in self._sizes:
                    small, saliency = _map(model, example, size, device)
                    figures[size].append(_figures(saliency, example))
                    if index in shown and size == max(self._sizes):
                        samples.append(_sample(small, saliency))
            scores += [_score(name, size, each) for size, each in figures.items()]
        return scores, samples


@torch.no_grad()
def _map(model: U2Net, example: Example, size: int, device: torch.device) -> tuple[Example, Tensor]:
    """The image at the input's size, and its map, float32 [1, 1, S, S]."""
    small = resize(example, size)
    image = torch.from_numpy(np.ascontiguousarray(small.rgb)).permute(2, 0, 1)[None].to(device).float() / 255
    return small, model.saliency(normalise(image)).cpu()


def _figures(saliency: Tensor, example: Example) -> tuple[float, float]:
    assert example.mask is not None
    large = F.interpolate(saliency, example.mask.shape, mode="bilinear", align_corners=False)[0, 0].clamp(0, 1).numpy()
    truth = example.mask > 127
    return iou(large, truth), mae(large, truth)


def _score(name: str, size: int, figures: list[tuple[float, float]]) -> Score:
    overlaps, errors = np.array(figures).T
    return Score(name, size, float(overlaps.mean()), float(errors.mean()), float(np.percentile(overlaps, 10)))


def _sample(small: Example, saliency: Tensor) -> Sample:
    assert small.mask is not None
    image = torch.from_numpy(np.ascontiguousarray(small.rgb)).permute(2, 0, 1).float() / 255
    return Sample(image, torch.from_numpy(np.ascontiguousarray(small.mask))[None].float() / 255, saliency[0])
