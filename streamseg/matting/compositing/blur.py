"""Blurring a background without the subject in it: hole filling and a Gaussian, at low resolution."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.matting.arrays import Image, resize
from streamseg.matting.constants import BACKGROUND_ALPHA

__all__ = ["BlurSize", "background_weight", "fill_and_blur", "fill_holes", "gaussian_blur", "gaussian_kernel"]

# Full strength blurs with a standard deviation of a twentieth of the frame's shorter side.
_LARGEST_SIGMA = 0.05
# The resolution is so low that the standard deviation is this many pixels.
_LOW_RESOLUTION_SIGMA = 2.0


class BlurSize(NamedTuple):
    """The low resolution that a background is blurred at.

    Attributes:
        rows, columns: of the image.
        sigma: standard deviation of the blur, in its pixels.
    """

    rows: int
    columns: int
    sigma: float

    @classmethod
    def of(cls, width: int, height: int, strength: float) -> BlurSize:
        """For frames of a size in pixels, and a strength above 0 and up to 1."""
        sigma = strength * _LARGEST_SIGMA * min(width, height)
        factor = max(1.0, sigma / _LOW_RESOLUTION_SIGMA)
        return cls(max(8, round(height / factor)), max(8, round(width / factor)), sigma / factor)


def background_weight(alpha: Image) -> Image:
    """Weights, float32 [rows, columns] in [0, 1]: 1 where a pixel and its neighbours are background for certain.

    Args:
        alpha: float32 [rows, columns] in [0, 1].
    """
    grown = np.pad(alpha, 1, mode="edge")
    grown = np.maximum(np.maximum(grown[:-2], grown[1:-1]), grown[2:])
    grown = np.maximum(np.maximum(grown[:, :-2], grown[:, 1:-1]), grown[:, 2:])
    weight: Image = np.clip(1 - grown / np.float32(BACKGROUND_ALPHA), 0, 1)
    return weight


def fill_and_blur(images: Image, weight: Image, sigma_y: float, sigma_x: float) -> Image:
    """``images`` [channels, rows, columns] with values of low ``weight`` replaced, and blurred: see the next two."""
    return gaussian_blur(fill_holes(images, weight), sigma_y, sigma_x)


def fill_holes(image: Image, weight: Image) -> Image:
    """``image`` with values of low ``weight`` replaced by those around them.

    Pull-push interpolation (Gortler et al. 1996, The Lumigraph, section 3.4.2).

    Args:
        image: float32 [..., rows, columns].
        weight: float32 [rows, columns] in [0, 1].
    """
    rows, columns = weight.shape
    if rows <= 2 or columns <= 2 or weight.min() >= 1:
        known = weight if weight.any() else np.ones_like(weight)
        mean: Image = (image * known).sum((-2, -1), keepdims=True) / known.sum()
        return image * weight + mean * (1 - weight)
    coarse_weight = _halve(weight)
    coarse: Image = np.divide(_halve(image * weight), np.maximum(coarse_weight, 1e-12), dtype=np.float32)
    around = fill_holes(coarse, np.minimum(coarse_weight * 2, 1).astype(np.float32))
    return image * weight + resize(around, rows, columns) * (1 - weight)


def _halve(image: Image) -> Image:
    """The mean of each block of 2×2; a last odd row or column counts twice."""
    *channels, rows, columns = image.shape
    even = np.pad(image, (*[(0, 0)] * len(channels), (0, rows % 2), (0, columns % 2)), mode="edge")
    total: Image = even[..., ::2, ::2] + even[..., 1::2, ::2] + even[..., ::2, 1::2] + even[..., 1::2, 1::2]
    return total * np.float32(0.25)


def gaussian_blur(image: Image, sigma_y: float, sigma_x: float) -> Image:
    """``image`` [..., rows, columns] blurred, standard deviations in pixels; edges repeat."""
    across = _blur_rows(_blur_rows(image, sigma_y).swapaxes(-1, -2), sigma_x)
    return across.swapaxes(-1, -2)


def _blur_rows(image: Image, sigma: float) -> Image:
    kernel = gaussian_kernel(sigma)
    radius, rows = len(kernel) // 2, image.shape[-2]
    padded = np.pad(image, (*[(0, 0)] * (image.ndim - 2), (radius, radius), (0, 0)), mode="edge")
    out = np.zeros_like(image)
    for tap, weight in enumerate(kernel):
        out += weight * padded[..., tap : tap + rows, :]
    return out


def gaussian_kernel(sigma: float) -> Image:
    """Gaussian weights up to three standard deviations: float32 [2·radius + 1], sum 1."""
    radius = max(1, int(np.ceil(3 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-3)) ** 2)
    normalised: Image = (kernel / kernel.sum()).astype(np.float32)
    return normalised
