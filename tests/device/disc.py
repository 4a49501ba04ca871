"""A picture for the network, and how it is normalised."""

from __future__ import annotations

import numpy as np

from streamseg.network.architecture import MEAN, STD


def disc_image(size: int) -> np.ndarray:
    """A bright disc on a gradient: uint8 [size, size, 3], something for the network to find."""
    y, x = np.mgrid[0:size, 0:size] / size
    image = np.stack([40 + 60 * x, 60 + 50 * y, 120 - 60 * x], axis=2)
    image[np.hypot(x - 0.45, y - 0.55) < 0.22] = (230, 180, 90)
    return image.astype(np.uint8)


def normalise(rgb: np.ndarray) -> np.ndarray:
    """Fixed scaling: uint8 [H, W, 3] to float32 [3, H, W]."""
    return (((rgb / 255 - MEAN) / STD).transpose(2, 0, 1)).astype(np.float32)
