"""The motion of the foreground layer at its contour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamseg.matting.arrays import Image, box_mean, resize, warp
from streamseg.matting.constants import LAYER_ITERATIONS, LAYER_OWN_WEIGHT, LAYER_RADIUS
from streamseg.matting.motion.estimate import Motion

__all__ = ["layer_motion"]


def layer_motion(motion: Motion, alpha: Image) -> Motion:
    """The motion of the foreground layer, up to its contour and around it.

    A contour belongs to the layer in front and moves with it (Wang and Adelson 1994, Representing Moving Images with
    Layers, section I), but the flow found there is a mixture of both layers. Every pixel takes the mean flow around it
    instead, weighted by the warped matte and by the confidence: the normalised averaging of Knutsson and Westin 1993,
    Normalized and Differential Convolution. Where there is no foreground, the flow stays as it was.

    Args:
        motion: at any resolution.
        alpha: float32 [rows, columns] in [0, 1], the matte of the frame that the motion comes from, of any size.

    Returns:
        Another flow with the same confidence.
    """
    small, found = resize(alpha, *motion.confidence.shape)[None], motion.flow
    flow = found
    for _ in range(LAYER_ITERATIONS):
        (weight,) = warp(small, flow)
        weight *= motion.confidence
        around = box_mean(np.stack([weight, *(weight * found)]), LAYER_RADIUS)
        flow = (around[1:] + np.float32(LAYER_OWN_WEIGHT) * found) / (around[0] + np.float32(LAYER_OWN_WEIGHT))
    return replace(motion, flow=flow)
