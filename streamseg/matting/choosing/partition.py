"""A map divided between two sets of seeds: everything belongs to the nearer one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image

__all__ = ["distance", "firm", "partition"]

_Mask = NDArray[np.bool_]
# Cells over which a decided border goes from 0 to 1.
_SOFT = 2.0


def distance(mask: _Mask) -> Image:
    """Steps along rows and columns to the nearest cell of a mask, float32 [rows, columns]; infinite without one."""
    steps = np.where(mask, np.float32(0), np.float32(np.inf))
    for axis in (0, 1):
        along = np.arange(mask.shape[axis], dtype=np.float32)
        along = along[:, None] if axis == 0 else along
        after = np.minimum.accumulate(steps - along, axis=axis) + along
        before = np.flip(np.minimum.accumulate(np.flip(steps + along, axis), axis=axis), axis) - along
        steps = np.minimum(after, before)
    return np.asarray(steps, np.float32)


def partition(kept: _Mask, removed: _Mask, default: bool) -> Image:
    """How much nearer each cell is to ``kept`` than to ``removed``.

    Args:
        kept, removed: seeds, bool [rows, columns].
        default: whether cells belong to ``kept`` where there are no seeds at all.

    Returns:
        float32 [rows, columns] in [0, 1]: 1 on the seeds of ``kept``, 0 on those of ``removed``.
    """
    if not kept.any() or not removed.any():
        return np.full(kept.shape, kept.any() or (default and not removed.any()), np.float32)
    ours, theirs = distance(kept), distance(removed)
    share: Image = theirs / np.maximum(ours + theirs, np.float32(1e-6))
    return share


def firm(kept: _Mask, removed: _Mask, default: bool) -> Image:
    """As ``partition``, but decided: from 0 to 1 within a cell or two between the seeds."""
    if not kept.any() or not removed.any():
        return partition(kept, removed, default)
    return np.clip((distance(removed) - distance(kept)) / np.float32(_SOFT) + np.float32(0.5), 0, 1)
