"""Sharp at the edge: in the uncertain band only, from the colours on both sides of it.

Around each pixel the colours of the subject and of the background are averaged; the matte is where the pixel's own
colour lies between the two (Chuang et al. 2001, A Bayesian Approach to Digital Matting, section 3), as far as both are
there and can be told apart (Fisher's criterion: their distance against their spread). The same colours give the
foreground without the old background (as in Forte 2021, Approximate Fast Foreground Colour Estimation).
"""

from __future__ import annotations

import numpy as np

from streamseg.matting.arrays import Image, box_mean

__all__ = ["EDGE", "FIELDS", "local_colours", "local_radius", "refine", "sample_at"]

#: Alpha strictly between these is uncertain.
EDGE = (0.02, 0.98)
#: What is known around a pixel: see local_colours.
FIELDS = 6
# Radius of the neighbourhood, as a part of the longer side of the picture.
_RADIUS = 1 / 140
_SPREAD = 8.0
_NOISE = 0.005
# Weight of a pixel that belongs to neither side, so that no mean is empty.
_NONE = 1e-4
# With less than about this part of the neighbourhood on one side, that side's colour is not known.
_FEW = 0.01


def local_radius(rows: int, columns: int) -> int:
    """Of the neighbourhood, in a picture of that size."""
    return max(2, round(max(rows, columns) * _RADIUS))


def local_colours(colours: Image, alpha: Image, radius: int, out: Image | None = None) -> Image:
    """The colours of subject and background around each pixel.

    Args:
        colours: float32 [3, rows, columns], any three colour components in [0, 1].
        alpha: float32 [rows, columns] in [0, 1].
        radius: of the neighbourhood, in pixels.
        out: to write the result into, if given.

    Returns:
        float32 [6, rows, columns]: three of the mean colour of the subject less that of the background; the
        background's mean colour along that difference; one over the squared length of the difference; in [0, 1] how
        well the two can be told apart.
    """
    power = np.einsum("krc,krc->rc", colours, colours)
    signed = 2 * alpha - 1
    subject, subject_spread, subject_seen = _side(colours, power, np.maximum(signed, 0), radius)
    behind, behind_spread, behind_seen = _side(colours, power, np.maximum(-signed, 0), radius)
    fields = np.empty((FIELDS, *alpha.shape), np.float32) if out is None else out
    difference, (offset, scale, trust) = fields[:3], fields[3:]
    np.subtract(subject, behind, out=difference)
    squared = np.einsum("krc,krc->rc", difference, difference)
    np.einsum("krc,krc->rc", behind, difference, out=offset)
    np.divide(np.float32(1), squared + np.float32(1e-6), out=scale)
    spread = np.float32(_SPREAD) * (subject_spread + behind_spread)
    spread += squared + np.float32(_NOISE)
    np.divide(squared, spread, out=trust)
    trust *= subject_seen * behind_seen
    return fields


def _side(colours: Image, power: Image, nearness: Image, radius: int) -> tuple[Image, Image, Image]:
    """Mean colour of one side around each pixel, its variance (summed over the components), and whether it is there."""
    weighted = np.empty((5, *power.shape), np.float32)
    weight = weighted[4]
    np.multiply(nearness, nearness, out=weight)
    weight += np.float32(_NONE)
    np.multiply(colours, weight, out=weighted[:3])
    np.multiply(power, weight, out=weighted[3])
    means = box_mean(weighted, radius)
    total = means[4]
    means[:4] /= total
    spread: Image = np.maximum(means[3] - np.einsum("krc,krc->rc", means[:3], means[:3]), 0)
    return means[:3], spread, total / (total + np.float32(_FEW))


def refine(alpha: Image, colours: Image, local: Image) -> tuple[Image, Image]:
    """Alpha and the subject's own colour in the pixels of the band.

    Args:
        alpha: float32 [pixels] in [0, 1].
        colours: float32 [3, pixels], their colours.
        local: float32 [6, pixels]: local_colours at these pixels.
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
