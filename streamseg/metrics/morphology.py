"""Morphological operations on masks, with NumPy alone."""

from __future__ import annotations

from math import isqrt

import numpy as np

from streamseg.matting.choosing.regions import connected_regions
from streamseg.metrics.arrays import Mask

__all__ = ["contour", "dilate", "inner_boundary", "largest_component"]


def dilate(mask: Mask, radius: int) -> Mask:
    """Pixels within ``radius`` pixels (Euclidean) of a pixel of ``mask``."""
    if radius < 1:
        return mask.copy()
    widened = _widened(mask, radius)
    out = widened[radius].copy()
    for step in range(1, min(radius, mask.shape[0] - 1) + 1):
        row = widened[isqrt(radius * radius - step * step)]
        out[step:] |= row[:-step]
        out[:-step] |= row[step:]
    return out


def _widened(mask: Mask, radius: int) -> list[Mask]:
    """``mask`` dilated along its rows by 0, 1, … ``radius`` pixels."""
    widened = [mask]
    for step in range(1, radius + 1):
        wider = widened[-1].copy()
        if step < mask.shape[1]:
            wider[:, step:] |= mask[:, :-step]
            wider[:, :-step] |= mask[:, step:]
        widened.append(wider)
    return widened


def inner_boundary(mask: Mask) -> Mask:
    """Pixels of ``mask`` with one of their four neighbours outside it; the border of the array does not count."""
    eroded = mask.copy()
    eroded[1:] &= mask[:-1]
    eroded[:-1] &= mask[1:]
    eroded[:, 1:] &= mask[:, :-1]
    eroded[:, :-1] &= mask[:, 1:]
    return mask ^ eroded


def contour(mask: Mask) -> Mask:
    """Pixels that differ from the one to the right, below, or diagonally below right: the boundary map of DAVIS."""
    out = np.zeros_like(mask)
    out[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    out[:-1] |= mask[:-1] ^ mask[1:]
    out[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return out


def largest_component(mask: Mask) -> Mask:
    """The largest 4-connected component of ``mask``; of several equal ones, the first."""
    regions = connected_regions(mask)
    if not regions.count:
        return np.zeros_like(mask)
    largest: Mask = regions.labels == 1 + np.argmax(regions.sums()[1:])
    return largest
