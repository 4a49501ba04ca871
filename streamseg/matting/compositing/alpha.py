"""Alpha planes at other depths, at the size of chroma, and multiplied."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Matte, Plane

__all__ = ["alpha_at_depth", "multiply_alpha", "subsample"]

_WIDER = {np.dtype(f"u{size}"): np.dtype(f"u{2 * size}") for size in (1, 2, 4)}
# Rows at a time: the temporaries of a band stay in the second-level cache.
_BAND = 64


def alpha_at_depth(alpha: Plane, depth: int) -> Plane:
    """Alpha codes (uint8 or uint16, full scale) as codes of ``depth`` bits, rounded; 1.0 stays 1.0."""
    source, target = int(np.iinfo(alpha.dtype).max), 2**depth - 1
    if source == target:
        return alpha
    table = np.rint(np.arange(source + 1) * (target / source))
    codes: Plane = table.astype(np.uint8 if depth == 8 else np.uint16)[alpha]
    return codes


def subsample(alpha: Plane, shift_x: int, shift_y: int) -> Plane:
    """Alpha at the size of chroma planes: the rounded mean of each block (edges repeated)."""
    if shift_x == shift_y == 0:
        return alpha
    step_x, step_y = 1 << shift_x, 1 << shift_y
    rows, columns = alpha.shape
    if rows % step_y or columns % step_x:
        alpha = np.pad(alpha, ((0, -rows % step_y), (0, -columns % step_x)), mode="edge")
    means = np.empty((alpha.shape[0] // step_y, alpha.shape[1] // step_x), alpha.dtype)
    for top in range(0, len(means), _BAND):
        means[top : top + _BAND] = _block_means(alpha[top * step_y : (top + _BAND) * step_y], shift_x, shift_y)
    return means


def _block_means(alpha: Plane, shift_x: int, shift_y: int) -> NDArray[Any]:
    total: NDArray[Any] = alpha if shift_x else alpha.astype(_WIDER[alpha.dtype])
    for _ in range(shift_x):
        total = _pair_sums(total)
    total = sum((total[row :: 1 << shift_y] for row in range(1, 1 << shift_y)), start=total[:: 1 << shift_y])
    means: NDArray[Any] = (total + (1 << (shift_x + shift_y) >> 1)) >> (shift_x + shift_y)
    return means


def _pair_sums(values: NDArray[Any]) -> NDArray[Any]:
    """Sums of horizontal neighbours, read as the halves of integers of twice the size: faster than strided slices."""
    pairs, bits = values.view(_WIDER[values.dtype]), 8 * values.itemsize
    sums: NDArray[Any] = (pairs >> bits) + (pairs & (2**bits - 1))
    return sums


def multiply_alpha(matte: Matte, alpha: Plane, depth: int) -> Matte:
    """The product of a matte and the source's own alpha plane, codes of ``depth`` bits and the same shape."""
    product = matte.alpha.astype(np.float32) * (alpha.astype(np.float32) / np.float32(2**depth - 1))
    return Matte(np.rint(product).astype(matte.alpha.dtype))
