"""The video's own background, blurred, with nothing of the subject in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from streamseg.frame import Frame, Matte, Plane
from streamseg.media.card_frame import CardFrame
from streamseg.media.conform import Shape
from streamseg.media.native import native_of, plane_views
from streamseg.media.scale import PlaneScaler, to_format

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
        self._shape, self._small_format = shape, shape.format.opaque()
        self._reformatter, self._scale = VideoReformatter(), PlaneScaler()

    def planes(self, frame: Frame | CardFrame, matte: Matte) -> tuple[Plane, ...]:
        assert isinstance(frame, Frame)  # it is made of the frame, on the host
        small = to_format(
            native_of(frame),
            self._small_format,
            self._width,
            self._height,
            frame.colour,
            frame.colour,
            self._reformatter,
        )
        alpha = self._scale(matte.alpha, self._width, self._height)
        evidence = background_evidence(alpha.astype(np.float32) / np.float32(matte.maximum))
        if not evidence.any():
            evidence[:] = 1  # the subject is everywhere: better blurred than nothing
        shapes = self._small_format.shapes(self._shape.width, self._shape.height)
        planes = zip(plane_views(small, self._small_format), shapes, strict=True)
        return tuple(self._blurred(plane, evidence, *shape) for plane, shape in planes)

    def _blurred(self, plane: Plane, evidence: Image, rows: int, columns: int) -> Plane:
        height, width = plane.shape
        weight = evidence if evidence.shape == plane.shape else _resize(evidence, height, width)
        filled = fill_holes(plane.astype(np.float32), weight)
        # Chroma planes are smaller by their subsampling, and so is their blur.
        blurred = gaussian_blur(filled, self._sigma * height / self._height, self._sigma * width / self._width)
        return self._scale(np.rint(blurred).astype(plane.dtype), columns, rows)

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
    """``image`` [rows, columns] with values of low ``weight`` replaced by those around them (pull-push)."""
    rows, columns = image.shape
    if rows <= 2 or columns <= 2 or weight.min() >= 1:
        known = weight if weight.any() else np.ones_like(weight)
        mean = np.float32(np.average(image, weights=known))
        return image * weight + mean * (1 - weight)
    coarse_weight = _halve(weight)
    coarse: Image = np.divide(_halve(image * weight), np.maximum(coarse_weight, 1e-12), dtype=np.float32)
    around = fill_holes(coarse, np.minimum(coarse_weight * 2, 1).astype(np.float32))
    return image * weight + _resize(around, rows, columns) * (1 - weight)


def _halve(image: Image) -> Image:
    rows, columns = image.shape
    even = np.pad(image, ((0, rows % 2), (0, columns % 2)), mode="edge")
    total: Image = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return total / np.float32(4)


def _resize(image: Image, rows: int, columns: int) -> Image:
    """Bilinear, pixel centres aligned."""
    return _stretch(_stretch(image, rows).T, columns).T


def _stretch(image: Image, rows: int) -> Image:
    position = np.clip((np.arange(rows) + 0.5) * (image.shape[0] / rows) - 0.5, 0, image.shape[0] - 1)
    above = position.astype(np.intp)
    below = np.minimum(above + 1, image.shape[0] - 1)
    part = (position - above).astype(np.float32)[:, None]
    stretched: Image = image[above] * (1 - part) + image[below] * part
    return stretched


def gaussian_blur(image: Image, sigma_y: float, sigma_x: float) -> Image:
    """Gaussian blur with standard deviations in pixels; edges repeat."""
    return _blur_rows(_blur_rows(image, sigma_y).T, sigma_x).T


def _blur_rows(image: Image, sigma: float) -> Image:
    kernel = gaussian_shares(sigma)
    radius = len(kernel) // 2
    padded = np.pad(image, ((radius, radius), (0, 0)), mode="edge")
    out = np.zeros_like(image)
    for tap, share in enumerate(kernel):
        out += share * padded[tap : tap + image.shape[0]]
    return out


def gaussian_shares(sigma: float) -> Image:
    """What each neighbour counts in a Gaussian blur, float32 [2·radius + 1] up to three deviations, sum 1."""
    radius = max(1, int(np.ceil(3 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-3)) ** 2)
    shares: Image = (kernel / kernel.sum()).astype(np.float32)
    return shares
