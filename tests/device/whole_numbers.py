"""What the kernels' network computes, in NumPy, to the bit."""

from __future__ import annotations

import numpy as np

__all__ = ["rounded", "sums_of"]


def sums_of(image: np.ndarray, weight: np.ndarray, dilation: int = 1) -> np.ndarray:
    """A convolution in whole numbers, int64 [rows, columns, outputs]."""
    reach, (rows, columns, _) = dilation * (weight.shape[-1] // 2), image.shape
    padded = np.pad(image.astype(np.int64), ((reach, reach), (reach, reach), (0, 0)))
    total = np.zeros((rows, columns, len(weight)), np.int64)
    for down, across in np.ndindex(weight.shape[2:]):
        seen = padded[down * dilation :, across * dilation :][:rows, :columns]
        total += seen @ weight[:, :, down, across].T.astype(np.int64)
    return total


def rounded(sums: np.ndarray, step: np.ndarray, bias: np.ndarray, unit: float = 1.0, times: int = 1) -> np.ndarray:
    """uint8 of sums that are ``times`` too large, as a processor does it: a float32 of each sum, multiplied by one,
    a third added, rounded once to a float32 and then to a whole number."""
    scale = (step * np.float32(unit / times)).astype(np.float64)
    values = (times * sums).astype(np.float32) * scale + (bias * np.float32(255)).astype(np.float64)
    return np.clip(np.rint(values.astype(np.float32)), 0, 255).astype(np.uint8)
