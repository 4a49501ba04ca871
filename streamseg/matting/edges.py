"""Sharp at the edge: in the uncertain band only, from the colours on both sides of it.

Around each pixel the colours of the subject and of the background are averaged; the matte is where the pixel's own
colour lies between the two (Chuang et al. 2001, A Bayesian Approach to Digital Matting, section 3), as far as both are
there and can be told apart (Fisher's criterion: their distance against their spread). The same colours give the
foreground without the old background (as in Forte 2021, Approximate Fast Foreground Colour Estimation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image, box_mean

__all__ = ["EDGE", "LocalColours", "local_colours", "refine"]

#: Alpha strictly between these is uncertain.
EDGE = (0.02, 0.98)
# Radius of the neighbourhood, as a part of the longer side of the picture.
_RADIUS = 1 / 140
_SPREAD = 8.0
_NOISE = 0.005
# Weight of a pixel that belongs to neither side, so that no mean is empty.
_NONE = 1e-4
# With less than about this part of the neighbourhood on one side, that side's colour is not known.
_FEW = 0.01


@dataclass(frozen=True, slots=True)
class LocalColours:
    """The colours around each pixel, float32 in parts of the largest code value.

    Attributes:
        difference: [3, rows, columns]: mean colour of the subject less that of the background.
        offset: [rows, columns]: the background's mean colour along the difference.
        scale: [rows, columns]: one over the squared length of the difference.
        trust: [rows, columns] in [0, 1]: how well the two can be told apart.
    """

    difference: Image
    offset: Image
    scale: Image
    trust: Image


def local_colours(colours: Image, alpha: Image) -> LocalColours:
    """The colours of subject and background around each pixel.

    Args:
        colours: float32 [3, rows, columns], any three colour components in [0, 1].
        alpha: float32 [rows, columns] in [0, 1].
    """
    radius = max(2, round(max(alpha.shape) * _RADIUS))
    subject, subject_spread, subject_seen = _side(colours, alpha, radius)
    behind, behind_spread, behind_seen = _side(colours, 1 - alpha, radius)
    difference = subject - behind
    squared = np.sum(difference * difference, axis=0)
    trust = squared / (squared + np.float32(_SPREAD) * (subject_spread + behind_spread) + np.float32(_NOISE))
    trust *= subject_seen * behind_seen
    offset = np.sum(behind * difference, axis=0)
    return LocalColours(difference, offset, 1 / (squared + np.float32(1e-6)), trust)


def _side(colours: Image, alpha: Image, radius: int) -> tuple[Image, Image, Image]:
    """Mean colour of one side around each pixel, its variance (summed over the components), and whether it is there."""
    weight = np.clip(2 * alpha - 1, 0, 1)
    weight *= weight
    weight += np.float32(_NONE)
    total = box_mean(weight, radius)
    mean = box_mean(colours * weight, radius) / total
    power = box_mean(np.sum(colours * colours, axis=0) * weight, radius) / total
    spread: Image = np.maximum(power - np.sum(mean * mean, axis=0), 0)
    return mean, spread, total / (total + np.float32(_FEW))


def refine(
    alpha: NDArray[np.float32], colours: Image, difference: Image, offset: Image, scale: Image, trust: Image
) -> Image:
    """Alpha of the pixels of the band.

    Args:
        alpha: float32 [pixels] in [0, 1].
        colours: float32 [3, pixels], their own colours.
        difference, offset, scale, trust: what LocalColours holds, at these pixels.
    """
    projected: Image = (
        colours[0] * difference[0] + colours[1] * difference[1] + colours[2] * difference[2] - offset
    ) * scale
    np.clip(projected, 0, 1, out=projected)
    projected -= alpha
    projected *= trust
    projected += alpha
    return projected
