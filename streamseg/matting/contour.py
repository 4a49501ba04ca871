"""The motion of a subject's contour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamseg.matting.arrays import Image, box_mean, resize, warp
from streamseg.matting.motion import Motion

__all__ = ["at_contours"]

# Pixels of the motion around each one whose flow has a say, to every side.
_REACH = 3
# What a pixel's own flow counts beside the mean weight of the subject around it.
_OWN = 0.05
# The matte is carried by the flow that is looked for: the first time by the one that was found.
_ROUNDS = 2


def at_contours(motion: Motion, alpha: Image) -> Motion:
    """The motion as the subject has it, up to its contour and around it.

    A contour belongs to what is in front and moves with it (Wang and Adelson 1994, Representing Moving Images with
    Layers, section I), but the flow found there is a mixture of both sides. Every pixel takes the mean flow around it
    in its stead, weighted by the matte and by how far the motion explains it: the normalised average of Knutsson and
    Westin 1993, Normalized and Differential Convolution. Where there is no subject, all is as it was.

    Args:
        motion: found at any size.
        alpha: float32 [rows, columns] in [0, 1], the matte of the frame that the motion comes from, of any size.

    Returns:
        Another flow, the same agreement.
    """
    small, found = resize(alpha, *motion.agreement.shape)[None], motion.flow
    flow = found
    for _ in range(_ROUNDS):
        (weight,) = warp(small, flow)
        weight *= motion.agreement
        around = box_mean(np.stack([weight, *(weight * found)]), _REACH)
        flow = (around[1:] + np.float32(_OWN) * found) / (around[0] + np.float32(_OWN))
    return replace(motion, flow=flow)
