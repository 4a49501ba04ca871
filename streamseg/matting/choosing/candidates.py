"""The first inferences at a mark: crops of several sizes around it, and the region that they agree on.

A network finds what stands out in what it sees. In the whole frame that may be somebody else; in a crop around the mark
it is more likely what the mark lies on, but a part of it only where the crop is too small.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image
from streamseg.matting.choosing.choice import PlacedMark
from streamseg.matting.choosing.regions import connected_regions, grown
from streamseg.matting.temporal.filter import Observation
from streamseg.matting.tracking.roi import FULL_FRAME, ROI

__all__ = ["best_region", "crops_around"]

_Mask = NDArray[np.bool_]

# Sides of the crops around a point, as parts of the frame's longer side.
_SIDES = (0.85, 0.6, 0.42, 0.3, 0.2)
# Margins of the crops around a box, as parts of its longer side.
_MARGINS = (0.1, 0.3, 0.8)
# Alpha from which on a cell belongs to a region.
_FOUND = 0.6
# Cells around a region that its soft edge takes, and half of the gap that parts of one may leave between them.
_SOFT, _GAP = 2, 2
# A point that lies beside a region by less than this part of the longer side belongs to it.
_BESIDE = 0.01
# A region that covers less than this part of the frame is none.
_SMALLEST = 2e-4


def crops_around(mark: PlacedMark, width: int, height: int) -> list[ROI]:
    """The parts of a frame of that size in which to look for what ``mark`` lies on; the first is the whole frame."""
    longer = max(width, height)
    if mark.is_point:
        halves = [(side * longer / 2, side * longer / 2) for side in _SIDES]
    else:
        across, down = (mark.right - mark.left) * width, (mark.bottom - mark.top) * height
        halves = [(across / 2 + part * max(across, down), down / 2 + part * max(across, down)) for part in _MARGINS]
    x, y = (mark.left + mark.right) / 2 * width, (mark.top + mark.bottom) / 2 * height
    rois = [
        ROI(
            max(0.0, (x - across) / width),
            max(0.0, (y - down) / height),
            min(1.0, (x + across) / width),
            min(1.0, (y + down) / height),
        ).aligned(width, height)
        for across, down in halves
    ]
    return [FULL_FRAME, *(roi for roi in dict.fromkeys(rois) if roi != FULL_FRAME)]


def best_region(mark: PlacedMark, observations: Sequence[Observation]) -> tuple[Image, int | None]:
    """What ``mark`` lies on: the region that the observations agree on most, and that is clear in its own.

    Each observation has one region at the mark, or none. It is judged by how far the others have the same one (the mean
    intersection over union, each time on what both have seen), by how certain its alpha is, and by how much of it is
    cut off by the border of what was seen.

    Args:
        observations: of the crops around it.

    Returns:
        Alpha of that region alone, float32 [rows, columns] of the whole grid, all zero where nothing was found; and
        which of the observations it comes from.
    """
    found = [_Region(mark, observation) for observation in observations]
    scores = [one.clearness * _agreement(one, found) for one in found]
    best = int(np.argmax(scores))
    if not scores[best]:
        return np.zeros(observations[0].shape, np.float32), None
    return found[best].alpha, best


def _agreement(one: _Region, found: Sequence[_Region]) -> float:
    return float(np.mean([one.overlap(other) for other in found]))


class _Region:
    """The region of an observation at a mark.

    Attributes:
        alpha: of it alone, on the whole grid.
        clearness: how certain and how complete it is, in [0, 1]; 0 where there is none.
    """

    def __init__(self, mark: PlacedMark, observation: Observation) -> None:
        self._cells = observation.cells
        self.alpha: Image = np.zeros(observation.shape, np.float32)
        inside = _at_mark(mark, observation)
        self._mask: _Mask = np.zeros(observation.shape, np.bool_)
        self._mask[self._cells] = inside
        self.clearness = 0.0
        if inside.mean() * inside.size > _SMALLEST * self._mask.size:
            soft = grown(inside, _SOFT)
            self.alpha[self._cells] = np.where(soft, observation.alpha, 0)
            certainty = float(np.abs(2 * observation.alpha[soft] - 1).mean())
            self.clearness = certainty * _completeness(inside, observation.roi)

    def overlap(self, other: _Region) -> float:
        """Intersection over union on what both have seen."""
        rows, columns = (
            slice(max(one.start, two.start), min(one.stop, two.stop))
            for one, two in zip(self._cells, other._cells, strict=True)
        )
        ours, theirs = self._mask[rows, columns], other._mask[rows, columns]
        union = np.count_nonzero(ours | theirs)
        return np.count_nonzero(ours & theirs) / union if union else 0.0


def _at_mark(mark: PlacedMark, observation: Observation) -> _Mask:
    """The region at the mark, bool on the cells that were seen."""
    rows, columns = observation.shape
    top, left = (cells.start for cells in observation.cells)
    regions = connected_regions(observation.alpha > _FOUND, _GAP)
    if mark.is_point:
        beside = max(1, round(_BESIDE * max(rows, columns)))
        row, column = int(mark.top * rows) - top, int(mark.left * columns) - left
        near = regions.labels[max(0, row - beside) : row + beside + 1, max(0, column - beside) : column + beside + 1]
    else:
        near = regions.labels[
            max(0, int(mark.top * rows) - top) : max(0, int(np.ceil(mark.bottom * rows)) - top),
            max(0, int(mark.left * columns) - left) : max(0, int(np.ceil(mark.right * columns)) - left),
        ]
    counts = np.bincount(near.ravel(), minlength=1)
    counts[0] = 0
    if mark.is_point and counts.any():
        return np.asarray(regions.labels == np.argmax(counts))
    # In a box, all that lies in it for the most part.
    areas = np.maximum(1, regions.sums()[: len(counts)])
    chosen = np.flatnonzero(counts > areas / 2)
    inside: _Mask = np.isin(regions.labels, chosen) if len(chosen) else regions.labels == (np.argmax(counts) or -1)
    return inside


def _completeness(mask: _Mask, roi: ROI) -> float:
    """1 where the region ends before the border of what was seen, less the more of it lies on it."""
    lines = (mask[:, 0], roi.left > 0), (mask[:, -1], roi.right < 1), (mask[0], roi.top > 0), (mask[-1], roi.bottom < 1)
    cut = sum(int(np.count_nonzero(line)) for line, is_border in lines if is_border)
    return 1 / (1 + 2 * cut / float(np.sqrt(int(np.count_nonzero(mask)) + 1)))
