"""A frame and its matte on the grid become a cut-out at the frame's size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.frame import Frame, Matte
from streamseg.matting.arrays import Image
from streamseg.matting.backend import MattingBackend, NumPyBackend
from streamseg.matting.compositing.alpha import multiply_alpha
from streamseg.matting.edges.refine import apply_limits

__all__ = ["Cutout", "EdgeRefiner"]


class Cutout(NamedTuple):
    """A subject cut out of a frame.

    Attributes:
        frame: the frame; where alpha is uncertain its colours are the foreground's alone.
        matte: at the frame's size.
    """

    frame: Frame
    matte: Matte


class EdgeRefiner:
    """Brings mattes to the size of frames.

    Args:
        edges: refine alpha where it is uncertain and remove the old background's colour there; else only upsample.
        backend: does the work; NumPy's if None.
    """

    def __init__(self, edges: bool = True, backend: MattingBackend | None = None) -> None:
        self.edges, self._backend = edges, backend or NumPyBackend()

    def __call__(self, frame: Frame, alpha: Image) -> Cutout:
        """Cut the subject out.

        Args:
            frame: any planar frame; where it has an alpha plane of its own, the matte is multiplied by that.
            alpha: float32 [rows, columns] in [0, 1], of any size.
        """
        alpha = apply_limits(alpha)
        dtype = np.uint8 if frame.format.depth == 8 else np.uint16
        matte = Matte(self._backend.upsample_alpha(alpha, frame.width, frame.height, dtype))
        if self.edges:
            frame = self._backend.refine_edges(frame, alpha, matte.alpha)
        if frame.format.alpha:
            matte = multiply_alpha(matte, frame.planes[3], frame.format.depth)
        return Cutout(frame, matte)
