"""Images of one frame carried to another along the motion between them, on a finer grid than it was found on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

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
        places: where each cell's content was, as the carrier that made the path keeps it.
        agreement: float32 [rows, columns] in [0, 1]: that of the motion.
    """

    places: NDArray[Any]
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
        return Path(resize_flow(motion.flow, rows, columns), resize(motion.agreement, rows, columns))

    def fetch(self, images: Image, path: Path) -> Image:
        return warp(images, np.asarray(path.places, np.float32))
