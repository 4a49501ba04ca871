"""The video's own background, blurred, with nothing of the subject in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.arithmetic import best_arithmetic
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.arrays import resize
from streamseg.media.card_frame import CardFrame
from streamseg.media.conform import Shape

__all__ = ["BlurredBackground", "SmallBlur", "fill_holes", "gaussian_blur", "gaussian_shares"]

# Full strength blurs with a standard deviation of a twentieth of the frame's shorter side.
_LARGEST_SIGMA = 0.05
# Blurring is done on a picture so small that the standard deviation is this many pixels.
_SMALL_SIGMA = 2.0
# A pixel is evidence of the background only where the matte is well below one half.
_CERTAIN = 0.25

Image = NDArray[np.float32]


class SmallBlur(NamedTuple):
    """How a background is blurred: on a small picture.

    Attributes:
        rows, columns: of it.
        sigma: standard deviation of the blur, in its pixels.
    """

    rows: int
    columns: int
    sigma: float

    @classmethod
    def of(cls, width: int, height: int, strength: float) -> SmallBlur:
        """For frames of a size in pixels, and a strength above 0 and up to 1."""
        sigma = strength * _LARGEST_SIGMA * min(width, height)
        factor = max(1.0, sigma / _SMALL_SIGMA)
        return cls(max(8, round(height / factor)), max(8, round(width / factor)), sigma / factor)


class BlurredBackground:
    """Blurs the background pixels only: the subject is cut out and its place filled from around it first.

    The hole is filled by pull-push interpolation (Gortler et al. 1996, The Lumigraph, section 3.4.2), so
    that no colour of the subject can spread into a halo.

    Args:
        shape: of the frames to come.
        strength: above 0, up to 1.

    Attributes:
        small: how it is done, for whoever can do it himself.
    """

    def __init__(self, shape: Shape, strength: float) -> None:
        self.small = SmallBlur.of(shape.width, shape.height, strength)
        self._height, self._width, self._sigma = self.small
        self._small_shapes = shape.format.opaque().shapes(self._width, self._height)
        self._maximum, self._arithmetic = shape.format.maximum, best_arithmetic()

    def planes(self, frame: Frame | CardFrame, matte: Matte) -> tuple[Plane, ...]:
        assert isinstance(frame, Frame)  # it is made of the frame, on the host
        alpha = self._arithmetic.shrink(matte.alpha, self._width, self._height, matte.maximum)
        evidence = background_evidence(alpha / np.float32(255))
        if not evidence.any():
            evidence[:] = 1  # the subject is everywhere: better blurred than nothing
        luma, *chroma = zip(frame.planes[:3], self._small_shapes, strict=True)
        return *self._blurred([luma], evidence), *self._blurred(chroma, evidence)

    def _blurred(self, planes: list[tuple[Plane, tuple[int, int]]], evidence: Image) -> Iterator[Plane]:
        """Of planes that have one size, and one small size."""
        plane, (rows, columns) = planes[0]
        (height, width), weight = plane.shape, resize(evidence, rows, columns)
        small = np.stack([self._arithmetic.shrink(plane, columns, rows, self._maximum) for plane, _ in planes])
        # Chroma planes are smaller by their subsampling, and so is their blur.
        sigmas = self._sigma * rows / self._height, self._sigma * columns / self._width
        for blurred in gaussian_blur(fill_holes(small, weight), *sigmas):
            yield self._arithmetic.stretch(blurred, width, height, self._maximum)

    def close(self) -> None:
        pass


def background_evidence(alpha: Image) -> Image:
    """Weights [rows, columns] in [0, 1]: 1 where a pixel and its neighbours are background for certain."""
    grown = np.pad(alpha, 1, mode="edge")
    grown = np.maximum(np.maximum(grown[:-2], grown[1:-1]), grown[2:])
    grown = np.maximum(np.maximum(grown[:, :-2], grown[:, 1:-1]), grown[:, 2:])
    evidence: Image = np.clip(1 - grown / np.float32(_CERTAIN), 0, 1)
    return evidence


def fill_holes(image: Image, weight: Image) -> Image:
    """``image`` with values of low ``weight`` replaced by those around them (pull-push).

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
    kernel = gaussian_shares(sigma)
    radius, rows = len(kernel) // 2, image.shape[-2]
    padded = np.pad(image, (*[(0, 0)] * (image.ndim - 2), (radius, radius), (0, 0)), mode="edge")
    out = np.zeros_like(image)
    for tap, share in enumerate(kernel):
        out += share * padded[..., tap : tap + rows, :]
    return out


def gaussian_shares(sigma: float) -> Image:
    """What each neighbour counts in a Gaussian blur, float32 [2·radius + 1] up to three deviations, sum 1."""
    radius = max(1, int(np.ceil(3 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-3)) ** 2)
    shares: Image = (kernel / kernel.sum()).astype(np.float32)
    return shares
