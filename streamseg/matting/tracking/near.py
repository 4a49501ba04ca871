"""Near subjects: those that fill much of what the network sees down to its lower border, as in selfies and calls.

A network sees subjects best at the size they had in its training. A person who fills the frame is larger than that at
the usual size of the input: body and hair are lost, a face is left. In a smaller input the same person is found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image
from streamseg.matting.constants import SALIENCY_HIGH, SALIENCY_LOW
from streamseg.network.architecture import INPUT_SIZE

__all__ = ["INPUT_SIZES", "NEAR_INPUT_SIZE", "InputSize", "is_near"]

#: Side of the network's input for near subjects, in pixels.
NEAR_INPUT_SIZE = 224
#: The usual side first.
INPUT_SIZES = (INPUT_SIZE, NEAR_INPUT_SIZE)
# A near subject covers more than these parts of the frame and of its lower border.
_AREA, _BORDER = 0.25, 0.1
# Part of the rows that is the lower border.
_BORDER_ROWS = 0.01
# Inferences from one choice of the size to the next, at least.
_MOST_BETWEEN = 24


def is_near(saliency: Image) -> bool:
    """Whether the subject of a frame is near, by the map of the smaller input, float32 [rows, columns] in [0, 1]."""
    foreground = _foreground(saliency)
    last = foreground[-max(1, round(_BORDER_ROWS * len(foreground))) :]
    return bool(foreground.mean() > _AREA and last.mean() > _BORDER)


def _foreground(saliency: Image) -> NDArray[np.bool_]:
    return np.asarray(saliency > (SALIENCY_LOW + SALIENCY_HIGH) / 2)


class InputSize:
    """The size of the network's input that suits a stream's subject, chosen now and then by seeing a frame in both.

    Attributes:
        near: whether the smaller one suits it: the subject is near, and as much or more of it is found there.
    """

    def __init__(self) -> None:
        self.near = False
        self._since_choice = 0

    def is_due(self, full_frame: bool, new_scene: bool) -> bool:
        """Whether the size is to be chosen with the next inference: in a new scene, else on the full frame."""
        self._since_choice += 1
        return new_scene or (full_frame and self._since_choice > _MOST_BETWEEN)

    def choose(self, small: Image, usual: Image) -> bool:
        """Take in the maps of one frame in both inputs, float32 in [0, 1], each of its own size; returns ``near``."""
        self._since_choice = 0
        self.near = is_near(small) and bool(_foreground(small).mean() >= _foreground(usual).mean())
        return self.near
