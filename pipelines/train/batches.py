"""Batches as a function of the seed and the step alone, so that a resumed run and two processes see the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from streamseg.errors import InputError

from .augmentation import Colours, Example, flip, resize
from .settings import Settings
from .sources import Source

__all__ = ["Batch", "Batches", "batches_from"]


class Batch(NamedTuple):
    """What one process learns from in one step.

    Attributes:
        images: float32 RGB [B, 3, S, S] in [0, 1].
        masks: float32 [B, 1, S, S] in [0, 1]; zeros where the teacher is to draw it.
        labelled: bool [B]; False where the teacher is to draw it.
    """

    images: Tensor
    masks: Tensor
    labelled: Tensor


class Batches(Dataset[Batch]):
    """Batch ``step`` of process ``rank`` of ``processes``: its part of the one large batch of all of them.

    Args:
        settings: of the run.
        sources: what is drawn from.
        rank, processes: which part of the large batch this is.
    """

    def __init__(self, settings: Settings, sources: list[Source], rank: int = 0, processes: int = 1) -> None:
        self._settings, self._sources = settings, sources
        self._first = rank * settings.batch
        weights = np.array([source.weight for source in sources])
        self._shares = weights / weights.sum()
        self._colours = Colours() if settings.augment else None

    def __len__(self) -> int:
        return self._settings.steps

    def size(self, step: int) -> int:
        """Side of the input in that step, in pixels; the same in all processes."""
        return int(np.random.default_rng((self._settings.seed, step)).choice(self._settings.sizes))

    def __getitem__(self, step: int) -> Batch:
        size = self.size(step)
        samples = [self._sample(step, self._first + index, size) for index in range(self._settings.batch)]
        images, masks, labelled = zip(*samples, strict=True)
        return Batch(torch.stack(images), torch.stack(masks), torch.tensor(labelled))

    def _sample(self, step: int, index: int, size: int) -> tuple[Tensor, Tensor, bool]:
        rng = np.random.default_rng((self._settings.seed, step, index))
        source = self._sources[rng.choice(len(self._sources), p=self._shares)]
        example = resize(flip(rng, source.draw(rng, size), self._settings.flip), size)
        image = torch.from_numpy(np.ascontiguousarray(example.rgb)).permute(2, 0, 1).float() / 255
        if self._colours is not None:
            image = self._colours(image, int(rng.integers(2**31)))
        return image, _mask(example, size), example.mask is not None


def _mask(example: Example, size: int) -> Tensor:
    if example.mask is None:
        return torch.zeros(1, size, size)
    return torch.from_numpy(np.ascontiguousarray(example.mask))[None].float() / 255


def batches_from(batches: Batches, step: int, workers: int) -> Iterator[Batch]:
    """The batches of ``step`` and all after it, read ahead by ``workers`` processes.

    Raises:
        InputError: an image does not decode, or does not fit its mask.
    """
    loader: DataLoader[Batch] = DataLoader(
        batches,
        batch_size=None,
        sampler=range(step, len(batches)),
        num_workers=workers,
        worker_init_fn=_one_thread,
        pin_memory=torch.cuda.is_available(),
    )
    try:
        yield from loader
    except InputError as error:
        # A worker's error arrives with the worker's traceback before it.
        raise InputError(str(error).strip().splitlines()[-1].removeprefix("streamseg.errors.InputError: ")) from None


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
