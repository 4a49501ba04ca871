"""The other parts of a marked subject that something thin divides, such as a post in front of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image
from streamseg.matting.choosing.appearance import Appearance
from streamseg.matting.choosing.partition import distance
from streamseg.matting.choosing.regions import connected_regions

__all__ = ["parts_across_a_gap"]

# The gap in cells: above the first, as the crops around the mark have told the subject from what touches it; below the
# second, as a part of the subject's extent, the root of its area.
_TOUCHING, _WIDEST = 1.0, 0.35
# Area of a part at most, in areas of what was marked, and how likely of its colours it is at least, relative to that.
_LARGEST, _ALIKE = 1.5, 0.9


def parts_across_a_gap(marked: Image, others: Image, bins: NDArray[np.int32]) -> NDArray[np.bool_]:
    """What else was found that is a part of the subject: close beside it, and of its colours.

    Args:
        marked: what was found at a mark, float32 [rows, columns] in [0, 1].
        others: all else that was found, likewise.
        bins: of the frame's colours, see streamseg.matting.choosing.appearance.

    Returns:
        bool [rows, columns].
    """
    ours, theirs = marked > 0.5, others > 0.5
    if not ours.any() or not theirs.any():
        return np.zeros(ours.shape, np.bool_)
    subject, background = Appearance(), Appearance()
    subject.add(bins, ours.astype(np.float32))
    background.add(bins, (np.maximum(marked, others) < 0.1).astype(np.float32))
    alike = subject.against([background], bins)

    blobs, size = connected_regions(theirs), np.count_nonzero(ours)
    area = np.maximum(1, blobs.sums())
    gap = np.full(blobs.count + 1, np.inf)
    np.minimum.at(gap, blobs.labels.ravel(), distance(ours).ravel())
    parts = (gap > _TOUCHING) & (gap < _WIDEST * np.sqrt(size)) & (area < _LARGEST * size)
    parts &= blobs.sums(alike) / area > _ALIKE * float(alike[ours].mean())
    parts[0] = False
    return np.asarray(parts[blobs.labels])
