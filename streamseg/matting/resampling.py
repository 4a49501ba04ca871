"""Planes downscaled to float images and upscaled back to codes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from streamseg.frame import Plane
from streamseg.matting.arrays import Image, resize

__all__ = ["downscale", "sample_type", "upscale"]


def downscale(plane: Plane, width: int, height: int, maximum: int) -> Image:
    """A plane of codes as float32 [height, width] in 8-bit code values: bilinear, antialiased where it shrinks.

    Args:
        plane: uint8 or uint16 [rows, columns].
        maximum: its largest code.
    """
    rows, columns = plane.shape
    resized = _triangles(height, rows) @ plane.astype(np.float32) @ _triangles(width, columns).T
    small: Image = np.rint(resized) * np.float32(255 / maximum)
    return small


def upscale(image: Image, width: int, height: int, maximum: int) -> Plane:
    """An image as a plane of codes, uint8 or uint16 [height, width], bilinear.

    Args:
        image: float32 [rows, columns] in 8-bit code values, 0 or more; values above 255 are clipped.
        maximum: the largest code; up to 255 the plane is uint8, else uint16.
    """
    codes = np.rint(resize(image, height, width) * np.float32(maximum / 255))
    plane: Plane = np.minimum(codes, maximum).astype(sample_type(maximum), order="C")
    return plane


def sample_type(maximum: int) -> type[np.uint8 | np.uint16]:
    """The dtype of a plane whose largest code is ``maximum``."""
    return np.uint8 if maximum < 256 else np.uint16


@lru_cache(maxsize=8)
def _triangles(count: int, size: int) -> Image:
    """Weights [count, size] that make ``count`` samples of ``size``."""
    step = size / count
    centres = (np.arange(count) + 0.5) * step - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(size) - centres[:, None]) / max(step, 1.0))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)
