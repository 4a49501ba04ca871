"""Mattes in the light of the frames beside them: smoothed with later ones, averaged with both neighbours."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamseg.matting.arrays import Image
from streamseg.matting.constants import ALPHA_HIGH, ALPHA_LOW, NEIGHBOUR_WEIGHT
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.motion.warp import warp_by_motion

__all__ = ["average", "smooth"]


def smooth(alpha: Image, later: Image, motion: Motion) -> Image:
    """The matte of a frame, moved towards that of the next frame as far as the flow can be trusted.

    Args:
        alpha: float32 [rows, columns] in [0, 1], the filtered matte of the frame.
        later: float32 [rows, columns], the matte of the next frame, smoothed or not.
        motion: to the frame from the next one, at any resolution.

    Returns:
        float32 [rows, columns] in [0, 1].
    """
    (warped,), confidence = warp_by_motion(later[None], motion)
    warped -= alpha
    warped *= confidence
    warped += alpha
    return np.asarray(warped)


def average(alpha: Image, neighbours: Iterable[tuple[Image, Motion]]) -> Image:
    """The weighted mean of a frame's matte and its neighbours', warped to it.

    All are clipped to the range between ALPHA_LOW and ALPHA_HIGH first, so that the mean is of what is shown.

    Args:
        alpha: float32 [rows, columns] in [0, 1].
        neighbours: the mattes of other frames, of the same shape, each with the motion to this frame from theirs. They
            have NEIGHBOUR_WEIGHT times the weight of ``alpha``, times the square root of the flow's confidence: less
            caution than a filter over many frames needs.

    Returns:
        float32 [rows, columns] in [ALPHA_LOW, ALPHA_HIGH].
    """
    total, weight = np.clip(alpha, ALPHA_LOW, ALPHA_HIGH), np.ones_like(alpha)
    for other, motion in neighbours:
        (warped,), confidence = warp_by_motion(other[None], motion)
        np.clip(warped, ALPHA_LOW, ALPHA_HIGH, out=warped)
        share = np.sqrt(confidence) * np.float32(NEIGHBOUR_WEIGHT)
        warped *= share
        total += warped
        weight += share
    total /= weight
    return total
