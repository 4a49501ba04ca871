"""Motion between the frames of one stream, on the card; what streamseg.matting.motion does on a CPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.device.cuda.platform import Platform, Stream

__all__ = ["CUT", "MotionFinder", "PictureFacts"]

#: Below this mean agreement nothing of one frame is in the other.
CUT = 0.3
_LEVELS, _SMALLEST_SIDE = 4, 8
# From patch to patch, and threads that follow one: STRIDE and LANES of the kernels.
_STRIDE, _LANES = 4, 32
_HALVINGS = 3  # for means of 8×8 pixels
# Pictures whose motion is kept: as many as frames that are on their way between their motion and their matte.
_KEPT = 32


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known of a picture once its numbers have come back from the card.

    Attributes:
        agreement: mean of how far the flow explains it, in [0, 1].
        substance: see streamseg.matting.motion.substance.
    """

    agreement: float
    substance: float

    @property
    def cut(self) -> bool:
        """Whether it has nothing in common with the one before: another scene."""
        return self.agreement < CUT


class MotionFinder:
    """Dense flow, agreement and the numbers that go with them, for pictures of one size.

    Pictures have places: each holds a picture, its motion to and from the one before it, and its numbers, until the
    place is used again. The work of one picture is one graph, and one more of two kernels and copies.

    Args:
        platform: of the device.
        stream: that all work goes to.
        rows, columns: of the pictures, 8 or more.
        places: how many pictures are kept.
    """

    def __init__(self, platform: Platform, stream: Stream, rows: int, columns: int, places: int = _KEPT) -> None:
        self._platform, self.rows, self.columns = platform, rows, columns
        empty, size = platform.empty, (rows, columns)
        self._pictures = empty((places, *size), torch.float32)
        self._flows = empty((2, places, 2, *size), torch.float32)
        self._agreements = empty((2, places, *size), torch.float32)
        self._unexplained = empty((2, places, *size), torch.uint8)
        self._sums = empty((places, 5), torch.float64)
        self._host_sums = platform.pinned((places, 5), torch.float64)
        self._host_unexplained = platform.pinned((places, *size), torch.uint8)
        self._sizes = _pyramid(rows, columns)
        # Fixed memory that the graph works on: the two pyramids, what passes between its kernels, and its results.
        self._here, self._there = ([empty(at, torch.float32) for at in self._sizes] for _ in range(2))
        self._patches = empty((2, *_patches(rows, columns)), torch.float32)
        self._residual, self._flow, self._start = (empty((2, *size), torch.float32) for _ in range(3))
        self._agreement, self._mask = empty(size, torch.float32), empty(size, torch.uint8)
        self._found = empty((5,), torch.float64)
        for level in (*self._here, *self._there):
            level.zero_()
        self._graph = platform.captured(self._work, stream)

    def picture(self, place: int) -> Tensor:
        """The picture, float32 [rows, columns] in 8-bit code values, to be written before ``find``."""
        return self._pictures[place]

    def flow(self, place: int) -> Tensor:
        """Where each pixel was in the picture before, float32 [2, rows, columns]."""
        return self._flows[0, place]

    def agreement(self, place: int) -> Tensor:
        """How well what was there explains what is here, float32 [rows, columns] in [0, 1]."""
        return self._agreements[0, place]

    def unexplained(self, place: int) -> Tensor:
        """Where the flow explains nothing: 1, else 0; uint8 [rows, columns] on the host, once the copies are done."""
        return self._host_unexplained[place]

    def backwards(self, place: int) -> Tensor:
        """The flow to the picture before from this one, float32 [2, rows, columns]."""
        return self._flows[1, place]

    def backwards_agreement(self, place: int) -> Tensor:
        """Its agreement, float32 [rows, columns]."""
        return self._agreements[1, place]

    def find(self, place: int, before: int) -> None:
        """Queue the motion to the picture in ``place`` from the one in ``before``, and the copies of its numbers.

        Pictures come in order: ``before`` is the one that was given last. For the very first they are the same.
        """
        self._here[0].copy_(self._pictures[place])
        self._graph()
        self._flows[0, place].copy_(self._flow)
        self._agreements[0, place].copy_(self._agreement)
        self._host_sums[place].copy_(self._found, non_blocking=True)
        self._host_unexplained[place].copy_(self._mask, non_blocking=True)

    def known(self, place: int) -> PictureFacts:
        """The numbers of a picture whose copies are done."""
        value, square, coarse, coarse_square, agreed = self._host_sums[place].tolist()
        count = self.rows * self.columns
        rows, columns = self._sizes[0][0] >> _HALVINGS, self._sizes[0][1] >> _HALVINGS
        variance = max(0.0, square / count - (value / count) ** 2)
        coarse_count = rows * columns
        coarse_variance = max(0.0, coarse_square / coarse_count - (coarse / coarse_count) ** 2)
        contrast = _ramp(variance**0.5, 1.0, 3.0)
        return PictureFacts(agreed / count, contrast * _ramp(coarse_variance / max(variance, 1e-6), 0.15, 0.3))

    def reverse(self, place: int, before: int) -> None:
        """Queue the motion the other way: to the picture in ``before`` from the one in ``place``."""
        size = (self.columns, self.rows)
        flow, agreement = self._flows[1, place], self._agreements[1, place]
        self._platform.launch("invert", size, self._flows[0, place], self.rows, self.columns, flow)
        self._agree(self._pictures[before], self._pictures[place], flow, agreement, self._unexplained[1, place])

    def _work(self) -> None:
        """All kernels of one picture: motion and sums from ``_here`` and ``_there``, which ``_here`` then becomes."""
        self._halve(self._here)
        self._start.zero_()
        for level in range(self._levels - 1, -1, -1):
            self._refine(level)
        self._agree(self._here[0], self._there[0], self._flow, self._agreement, self._mask)
        self._found.zero_()
        coarse = self._here[_HALVINGS]
        arguments = (self.rows, self.columns, coarse, *self._sizes[_HALVINGS], self._agreement, self._found)
        self._platform.launch("moments", (self.columns, 1), self._here[0], *arguments)
        for there, here in zip(self._there, self._here, strict=True):
            there.copy_(here)

    @property
    def _levels(self) -> int:
        """Of the pyramid of flow; the halvings for substance may go further down."""
        levels = 1
        while levels < _LEVELS and min(self._sizes[levels - 1]) >= 2 * _SMALLEST_SIDE:
            levels += 1
        return levels

    def _halve(self, pyramid: list[Tensor]) -> None:
        for (_, columns), (rows, half), fine, coarse in zip(
            self._sizes, self._sizes[1:], pyramid, pyramid[1:], strict=False
        ):
            self._platform.launch("halve", (half, rows), fine, columns, rows, half, coarse)

    def _refine(self, level: int) -> None:
        """Flow by patches on one level, from the flow of the coarser one; for the coarsest from none."""
        (rows, columns), launch = self._sizes[level], self._platform.launch
        pictures = self._here[level], self._there[level]
        if level < self._levels - 1:
            launch("double_flow", (columns, rows), self._flow, *self._sizes[level + 1], rows, columns, self._start)
        down, across = _patches(rows, columns)
        launch("follow_patches", (across * _LANES, down), *pictures, self._start, rows, columns, self._patches)
        launch("spread_patches", (columns, rows), *pictures, self._patches, rows, columns, self._flow)

    def _agree(self, here: Tensor, there: Tensor, flow: Tensor, agreement: Tensor, mask: Tensor) -> None:
        size, of = (self.columns, self.rows), (self.rows, self.columns)
        self._platform.launch("mismatch", size, here, there, flow, *of, self._residual)
        self._platform.launch("agree", size, self._residual, *of, agreement, mask)


def _pyramid(rows: int, columns: int) -> list[tuple[int, int]]:
    sizes = [(rows, columns)]
    for _ in range(_HALVINGS):
        sizes.append((max(1, sizes[-1][0] // 2), max(1, sizes[-1][1] // 2)))
    return sizes


def _patches(rows: int, columns: int) -> tuple[int, int]:
    """How many of them lie below and beside each other."""
    return -(-rows // _STRIDE) + 1, -(-columns // _STRIDE) + 1


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
