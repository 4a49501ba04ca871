"""Images that the packaged network is calibrated with: from its training set (DUTS-TR), and empty ones."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from streamseg.network.architecture import MEAN, STD
from streamseg.network.published import prepare, resize

Array = NDArray[np.float32]

SIZE = 320
GREYS = (0, 8, 16, 30, 60, 90, 128, 170, 210, 255)
RAMPS = ((0, 255), (0, 128), (128, 255), (255, 0), (30, 60))


def published_input(path: Path) -> Array:
    """An image normalised as published, by its own maximum: float32 [1, 3, 320, 320]."""
    return np.asarray(prepare(read_rgb(path))[None])


def video_input(rgb: NDArray[np.uint8]) -> Array:
    """uint8 [rows, columns, 3] normalised as frames are, with a fixed scale: float32 [1, 3, 320, 320]."""
    return normalise(255 * resize(rgb / np.float32(255), (SIZE, SIZE), True))


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """The pixels of an image file: uint8 RGB [rows, columns, 3]."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def empty_inputs() -> list[Array]:
    """Flat images and gradients, normalised as frames are: each float32 [1, 3, 320, 320]."""
    images = [np.full((SIZE, SIZE, 3), grey, np.float32) for grey in GREYS]
    for low, high in RAMPS:
        ramp = np.linspace(low, high, SIZE, dtype=np.float32)
        images += [np.broadcast_to(axis, (SIZE, SIZE, 3)) for axis in (ramp[None, :, None], ramp[:, None, None])]
    return [normalise(image) for image in images]


def normalise(rgb: Array) -> Array:
    """float32 RGB [320, 320, 3] in [0, 255], normalised as frames are: float32 [1, 3, 320, 320]."""
    mean, deviation = (np.array(values, np.float32).reshape(3, 1, 1) for values in (MEAN, STD))
    return ((rgb.transpose(2, 0, 1) / 255 - mean) / deviation)[None].astype(np.float32)
