"""Planes at other sizes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from streamseg.frame import Plane
from streamseg.matting.arrays import Image

__all__ = ["shrink"]


def shrink(plane: Plane, width: int, height: int, maximum: int) -> Image:
    """A plane of codes, float32 [height, width] in whole 8-bit code values: bilinear, antialiased where it shrinks.

    Args:
        plane: uint8 or uint16 [rows, columns].
        maximum: its largest code.
    """
    rows, columns = plane.shape
    seen = _triangles(height, rows) @ plane.astype(np.float32) @ _triangles(width, columns).T
    small: Image = np.rint(seen) * np.float32(255 / maximum)
    return small


@lru_cache(maxsize=8)
def _triangles(count: int, size: int) -> Image:
    """Weights [count, size] that make ``count`` samples of ``size``."""
    step = size / count
    centres = (np.arange(count) + 0.5) * step - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(size) - centres[:, None]) / max(step, 1.0))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)
