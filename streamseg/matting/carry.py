"""Images of one frame carried to another along the motion between them, on a finer grid than it was found on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image, resize, warp
from streamseg.matting.flow import resize_flow
from streamseg.matting.motion import Motion

__all__ = ["Carrier", "NumPyCarrier", "Path"]


@dataclass(frozen=True, slots=True)
class Path:
    """A motion on a grid.

    Attributes:
        places: float32 [rows, columns, 2]: where each cell's content was, across and down, in parts of the grid: -1 is
            the centre of its first cell, 1 that of its last.
        agreement: float32 [rows, columns] in [0, 1]: that of the motion.
    """

    places: NDArray[np.float32]
    agreement: Image


class Carrier(Protocol):
    """Fetches along a motion; one object for one thread. All carriers give the same up to rounding."""

    def path(self, motion: Motion, rows: int, columns: int) -> Path:
        """``motion`` on a grid of another size."""
        ...

    def fetch(self, images: Image, path: Path) -> Image:
        """``images`` [channels, rows, columns] of the one frame, carried to the other; a new array."""
        ...


class NumPyCarrier:
    """In plain NumPy, to compare others with."""

    def path(self, motion: Motion, rows: int, columns: int) -> Path:
        flow = resize_flow(motion.flow, rows, columns)
        places = np.empty((rows, columns, 2), np.float32)
        places[..., 0] = (flow[0] + np.arange(columns)) * (2 / (columns - 1)) - 1
        places[..., 1] = (flow[1] + np.arange(rows)[:, None]) * (2 / (rows - 1)) - 1
        return Path(places, resize(motion.agreement, rows, columns))

    def fetch(self, images: Image, path: Path) -> Image:
        rows, columns = images.shape[1:]
        flow = np.empty((2, rows, columns), np.float32)
        flow[0] = (path.places[..., 0] + 1) * ((columns - 1) / 2) - np.arange(columns)
        flow[1] = (path.places[..., 1] + 1) * ((rows - 1) / 2) - np.arange(rows)[:, None]
        return warp(images, flow)
