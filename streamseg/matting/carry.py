"""Images of one frame carried to another along the motion between them, on a finer grid than it was found on."""

from __future__ import annotations

import numpy as np

from streamseg.matting.arrays import Image, resize, warp
from streamseg.matting.motion import Motion

__all__ = ["carry"]


def carry(images: Image, motion: Motion) -> tuple[Image, Image]:
    """``images`` of the one frame as they lie in the other, and how well the motion explains that place.

    Args:
        images: float32 [channels, rows, columns], of any size.
        motion: found at any size.

    Returns:
        float32 [channels, rows, columns], and the agreement, float32 [rows, columns] in [0, 1].
    """
    rows, columns = images.shape[1:]
    scale = np.array([columns / motion.flow.shape[2], rows / motion.flow.shape[1]], np.float32)
    flow = resize(motion.flow, rows, columns) * scale[:, None, None]
    return warp(images, flow), resize(motion.agreement, rows, columns)
