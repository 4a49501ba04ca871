"""A frame and its matte on the grid become a cut-out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streamseg.frame import Frame, Matte
from streamseg.matting.alpha import times
from streamseg.matting.arithmetic import Arithmetic, NumPyArithmetic
from streamseg.matting.arrays import Image
from streamseg.matting.sharp import levelled

__all__ = ["Cutout", "Sharpener"]


class Cutout(NamedTuple):
    """A subject cut out of a frame.

    Attributes:
        frame: the frame; in the edges its colours are the subject's alone.
        matte: at the frame's size.
    """

    frame: Frame
    matte: Matte


class Sharpener:
    """Brings mattes to the size of frames.

    Args:
        edges: refine the uncertain band and take the old background's colour out of it; else only enlarge.
        arithmetic: does the work; NumPy's if None.
    """

    def __init__(self, edges: bool = True, arithmetic: Arithmetic | None = None) -> None:
        self.edges, self._arithmetic = edges, arithmetic or NumPyArithmetic()

    def __call__(self, frame: Frame, alpha: Image) -> Cutout:
        """Cut the subject out.

        Args:
            frame: any planar frame.
            alpha: float32 [rows, columns] in [0, 1], of any size.
        """
        alpha = levelled(alpha)
        dtype = np.uint8 if frame.format.depth == 8 else np.uint16
        matte = Matte(self._arithmetic.enlarge(alpha, frame.width, frame.height, dtype))
        if self.edges:
            frame = self._arithmetic.refine_edges(frame, alpha, matte.alpha)
        return Cutout(frame, times(matte, frame.planes[3], frame.format.depth) if frame.format.alpha else matte)
