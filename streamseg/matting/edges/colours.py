"""Refinement where alpha is uncertain, from the local colours of foreground and background.

Around each pixel the colours of foreground and background are averaged; alpha is where the pixel's own colour lies
between the two (Chuang et al. 2001, A Bayesian Approach to Digital Matting, section 3), as far as both are present and
can be told apart (Fisher's criterion: their distance against their spread). The same colours give the foreground
without the old background (as in Forte 2021, Approximate Fast Foreground Colour Estimation).
"""

from __future__ import annotations

import numpy as np

from streamseg.matting.arrays import Image, box_mean
from streamseg.matting.constants import EDGE_FEW, EDGE_FIELDS, EDGE_MIN_WEIGHT, EDGE_NOISE, EDGE_SPREAD_WEIGHT

__all__ = ["local_colours", "local_radius", "refine_pixels", "sample_at"]

# Radius of the neighbourhood, as a part of the image's longer side.
_RADIUS = 1 / 140


def local_radius(rows: int, columns: int) -> int:
    """Radius of the neighbourhood in pixels, in an image of that size."""
    return max(2, round(max(rows, columns) * _RADIUS))


def local_colours(colours: Image, alpha: Image, radius: int, out: Image | None = None) -> Image:
    """The local colour model: mean colours of foreground and background around each pixel.

    Args:
        colours: float32 [3, rows, columns], any three colour components in [0, 1].
        alpha: float32 [rows, columns] in [0, 1].
        radius: of the neighbourhood, in pixels.
        out: to write the result into, if given.

    Returns:
        float32 [6, rows, columns]: three components of the mean foreground colour minus the mean background colour;
        the background's mean colour projected on that difference; one over the squared length of the difference; in
        [0, 1] how well the two can be told apart.
    """
    power = np.einsum("krc,krc->rc", colours, colours)
    signed = 2 * alpha - 1
    foreground, foreground_spread, foreground_share = _side(colours, power, np.maximum(signed, 0), radius)
    background, background_spread, background_share = _side(colours, power, np.maximum(-signed, 0), radius)
    fields = np.empty((EDGE_FIELDS, *alpha.shape), np.float32) if out is None else out
    difference, (offset, scale, trust) = fields[:3], fields[3:]
    np.subtract(foreground, background, out=difference)
    squared = np.einsum("krc,krc->rc", difference, difference)
    np.einsum("krc,krc->rc", background, difference, out=offset)
    np.divide(np.float32(1), squared + np.float32(1e-6), out=scale)
    spread = np.float32(EDGE_SPREAD_WEIGHT) * (foreground_spread + background_spread)
    spread += squared + np.float32(EDGE_NOISE)
    np.divide(squared, spread, out=trust)
    trust *= foreground_share * background_share
    return fields


def _side(colours: Image, power: Image, membership: Image, radius: int) -> tuple[Image, Image, Image]:
    """One side around each pixel: its mean colour, summed variance, and in [0, 1] whether it is present."""
    weighted = np.empty((5, *power.shape), np.float32)
    weight = weighted[4]
    np.multiply(membership, membership, out=weight)
    weight += np.float32(EDGE_MIN_WEIGHT)
    np.multiply(colours, weight, out=weighted[:3])
    np.multiply(power, weight, out=weighted[3])
    means = box_mean(weighted, radius)
    total = means[4]
    means[:4] /= total
    spread: Image = np.maximum(means[3] - np.einsum("krc,krc->rc", means[:3], means[:3]), 0)
    return means[:3], spread, total / (total + np.float32(EDGE_FEW))


def refine_pixels(alpha: Image, colours: Image, local: Image) -> tuple[Image, Image]:
    """Alpha and the foreground colour of uncertain pixels.

    Args:
        alpha: float32 [pixels] in [0, 1].
        colours: float32 [3, pixels] in [0, 1], their colours.
        local: float32 [6, pixels]: the local colour model at these pixels.

    Returns:
        float32 [pixels] in [0, 1], and float32 [3, pixels], which may leave [0, 1].
    """
    difference, (offset, scale, trust) = local[:3], local[3:]
    refined = np.einsum("kp,kp->p", colours, difference)
    refined -= offset
    refined *= scale
    np.clip(refined, 0, 1, out=refined)
    refined -= alpha
    refined *= trust
    refined += alpha
    return refined, colours + difference * ((1 - refined) * trust)


def sample_at(images: Image, down: Image, across: Image) -> Image:
    """Bilinear samples of ``images`` [channels, rows, columns] at points, float32 [channels, points]."""
    rows, columns = images.shape[1:]
    down, across = np.clip(down, 0, rows - 1), np.clip(across, 0, columns - 1)
    top, left = (np.minimum(at.astype(np.intp), size - 2) for at, size in ((down, rows), (across, columns)))
    down, across = (down - top).astype(np.float32), (across - left).astype(np.float32)
    upper, lower = (
        images[:, row, left] + across * (images[:, row, left + 1] - images[:, row, left]) for row in (top, top + 1)
    )
    return np.asarray(upper + down * (lower - upper), np.float32)
