"""Images of one frame warped to another along the motion between them, at a higher resolution than the flow's."""

from __future__ import annotations

import numpy as np

from streamseg.matting.arrays import Image, resize, warp
from streamseg.matting.motion.estimate import Motion

__all__ = ["warp_by_motion"]


def warp_by_motion(images: Image, motion: Motion) -> tuple[Image, Image]:
    """``images`` of the one frame as they lie in the other, and the confidence of the flow there.

    Args:
        images: float32 [channels, rows, columns], of any size.
        motion: at any resolution; the flow is scaled to the images.

    Returns:
        float32 [channels, rows, columns], and float32 [rows, columns] in [0, 1].
    """
    rows, columns = images.shape[1:]
    scale = np.array([columns / motion.flow.shape[2], rows / motion.flow.shape[1]], np.float32)
    flow = resize(motion.flow, rows, columns) * scale[:, None, None]
    return warp(images, flow), resize(motion.confidence, rows, columns)
