"""Morphological operations on masks, with NumPy alone."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from streamseg.metrics.arrays import Mask

__all__ = ["contour", "dilate", "inner_boundary", "largest_component"]

Indices = NDArray[np.intp]


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
    """The largest 4-connected component of ``mask``; of several equal ones, the first.

    Works on runs of pixels within rows, of which there are far fewer than pixels.
    """
    rows, columns = mask.shape
    stride = columns + 2  # an empty pixel on either side, so that no run continues into the next row
    padded = np.zeros((rows, stride), np.bool_)
    padded[:, 1:-1] = mask
    flat = padded.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, ends = edges[0::2], edges[1::2]
    if not len(starts):
        return np.zeros_like(mask)
    labels = _component_labels(len(starts), *_adjacent_runs(starts, ends, stride))
    chosen = labels == np.argmax(np.bincount(labels, ends - starts))
    steps = np.zeros(flat.size, np.int8)
    steps[starts[chosen]], steps[ends[chosen]] = 1, -1
    out: Mask = np.cumsum(steps, dtype=np.int8).view(np.bool_).reshape(rows, stride)[:, 1:-1]
    return out


def _adjacent_runs(starts: Indices, ends: Indices, stride: int) -> tuple[Indices, Indices]:
    """Pairs of runs in consecutive rows that share a side: indices of the upper and of the lower run."""
    first = np.searchsorted(ends, starts + stride, "right")
    counts = np.searchsorted(starts, ends + stride, "left") - first
    upper = np.repeat(np.arange(len(starts)), counts)
    offsets = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    return upper, first[upper] + offsets


def _component_labels(count: int, left: Indices, right: Indices) -> Indices:
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
