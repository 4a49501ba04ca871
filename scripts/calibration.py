"""Pictures that the packaged network is made with: of the set it was trained on (DUTS-TR), and empty ones."""

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


def published(path: Path) -> Array:
    """In the published scale: float32 [1, 3, 320, 320]."""
    return np.asarray(prepare(read(path))[None])


def fixed(rgb: NDArray[np.uint8]) -> Array:
    """uint8 [rows, columns, 3] in the scale of the stream: float32 [1, 3, 320, 320]."""
    return normalised(255 * resize(rgb / np.float32(255), (SIZE, SIZE), True))


def read(path: Path) -> NDArray[np.uint8]:
    """RGB of a picture: uint8 [rows, columns, 3]."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def empty_pictures() -> list[Array]:
    """With nothing in them, flat and graded: float32 [1, 3, 320, 320] in the scale of the stream."""
    pictures = [np.full((SIZE, SIZE, 3), grey, np.float32) for grey in GREYS]
    for low, high in RAMPS:
        ramp = np.linspace(low, high, SIZE, dtype=np.float32)
        pictures += [np.broadcast_to(side, (SIZE, SIZE, 3)) for side in (ramp[None, :, None], ramp[:, None, None])]
    return [normalised(picture) for picture in pictures]


def normalised(rgb: Array) -> Array:
    """float32 [320, 320, 3] from 0 to 255 in the scale of the stream: float32 [1, 3, 320, 320]."""
    mean, deviation = (np.array(values, np.float32).reshape(3, 1, 1) for values in (MEAN, STD))
    return ((rgb.transpose(2, 0, 1) / 255 - mean) / deviation)[None].astype(np.float32)
