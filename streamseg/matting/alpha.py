"""Mattes as arrays: at other sizes and depths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Matte, Plane

__all__ = ["alpha_at_depth", "subsample", "times"]


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
    total: NDArray[Any] = np.zeros((alpha.shape[0] // step_y, alpha.shape[1] // step_x), np.uint32)
    for row in range(step_y):
        for column in range(step_x):
            total += alpha[row::step_y, column::step_x]
    count = step_x * step_y
    return ((total + count // 2) // count).astype(alpha.dtype)


def times(matte: Matte, alpha: Plane, depth: int) -> Matte:
    """The matte where the source has an alpha plane (codes of ``depth`` bits) of its own: their product."""
    product = matte.alpha.astype(np.float32) * (alpha.astype(np.float32) / np.float32(2**depth - 1))
    return Matte(np.rint(product).astype(matte.alpha.dtype))
