"""What the integer network computes, in NumPy, to the bit."""

from __future__ import annotations

import numpy as np

__all__ = ["convolution_sums", "requantised"]


def convolution_sums(image: np.ndarray, weight: np.ndarray, dilation: int = 1) -> np.ndarray:
    """A convolution in integers, int64 [rows, columns, outputs]."""
    reach, (rows, columns, _) = dilation * (weight.shape[-1] // 2), image.shape
    padded = np.pad(image.astype(np.int64), ((reach, reach), (reach, reach), (0, 0)))
    sums = np.zeros((rows, columns, len(weight)), np.int64)
    for down, across in np.ndindex(weight.shape[2:]):
        shifted = padded[down * dilation :, across * dilation :][:rows, :columns]
        sums += shifted @ weight[:, :, down, across].T.astype(np.int64)
    return sums


def requantised(
    sums: np.ndarray, step: np.ndarray, bias: np.ndarray, input_unit: float = 1.0, factor: int = 1
) -> np.ndarray:
    """uint8 of sums that are multiplied by ``factor`` first, as a processor does it.

    Each sum is rounded to float32, a fused multiply-add rounds to float32 once, and that is rounded to an integer.
    """
    scale = (step * np.float32(input_unit / factor)).astype(np.float64)
    values = (factor * sums).astype(np.float32) * scale + (bias * np.float32(255)).astype(np.float64)
    return np.clip(np.rint(values.astype(np.float32)), 0, 255).astype(np.uint8)
