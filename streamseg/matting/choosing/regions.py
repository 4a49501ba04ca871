"""Connected regions of a mask, with NumPy alone.

Works on runs of pixels within rows, of which there are far fewer than pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Regions", "connected_regions", "grown"]

_Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Regions:
    """The 4-connected regions of a mask.

    Attributes:
        labels: int32 [rows, columns]: 0 outside, else the number of the region, from 1 on in the order of their first
            pixels.
        count: how many there are.
    """

    labels: NDArray[np.int32]
    count: int

    def sums(self, weights: NDArray[np.float32] | NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Sum of float32 or bool [rows, columns] in each region, or its area: float64 [count + 1], 0 the outside."""
        flat = None if weights is None else weights.ravel()
        return np.bincount(self.labels.ravel(), flat, self.count + 1).astype(np.float64)


def grown(mask: NDArray[np.bool_], cells: int) -> NDArray[np.bool_]:
    """A mask, bool [rows, columns], and what is up to that many steps from it."""
    for _ in range(cells):
        before, mask = mask, mask.copy()
        mask[1:] |= before[:-1]
        mask[:-1] |= before[1:]
        mask[:, 1:] |= before[:, :-1]
        mask[:, :-1] |= before[:, 1:]
    return mask


def connected_regions(mask: NDArray[np.bool_], gap: int = 0) -> Regions:
    """The 4-connected regions of a mask.

    Args:
        mask: bool [rows, columns].
        gap: parts up to twice so many steps from each other are one region.
    """
    if gap:
        regions = connected_regions(grown(mask, gap))
        return Regions(regions.labels * mask, regions.count)
    rows, columns = mask.shape
    stride = columns + 2  # an empty pixel on either side, so that no run continues into the next row
    padded = np.zeros((rows, stride), np.bool_)
    padded[:, 1:-1] = mask
    flat = padded.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, ends = edges[0::2], edges[1::2]
    if not len(starts):
        return Regions(np.zeros((rows, columns), np.int32), 0)
    first, labels = np.unique(_labels(len(starts), *_adjacent_runs(starts, ends, stride)), return_inverse=True)
    steps = np.zeros(flat.size + 1, np.int32)
    steps[starts] = labels + 1
    steps[ends] -= (labels + 1).astype(np.int32)
    return Regions(np.cumsum(steps[:-1], dtype=np.int32).reshape(rows, stride)[:, 1:-1], len(first))


def _adjacent_runs(starts: _Indices, ends: _Indices, stride: int) -> tuple[_Indices, _Indices]:
    """Pairs of runs in consecutive rows that share a side: indices of the upper and of the lower run."""
    first = np.searchsorted(ends, starts + stride, "right")
    counts = np.searchsorted(starts, ends + stride, "left") - first
    upper = np.repeat(np.arange(len(starts)), counts)
    offsets = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    return upper, first[upper] + offsets


def _labels(count: int, left: _Indices, right: _Indices) -> _Indices:
    """Label of each of ``count`` items: the smallest index among those that the pairs (left, right) connect it with."""
    labels = np.arange(count)
    while True:
        one, other = labels[left], labels[right]
        apart = one != other
        if not apart.any():
            return labels
        left, right, one, other = left[apart], right[apart], one[apart], other[apart]
        np.minimum.at(labels, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(jumped := labels[labels], labels):
            labels = jumped
