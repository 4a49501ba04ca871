"""Frame in, matte out: for people with a loop of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.device import open_device
from streamseg.frame import Frame, Matte
from streamseg.media.pictures import picture_of
from streamseg.network.weights import load_weights

__all__ = ["Segmenter"]


class Segmenter:
    """Finds what stands out in a picture.

        segmenter = Segmenter()
        matte = segmenter(rgb)          # uint8 [rows, columns, 3] → Matte
        alpha = matte.as_float()        # float32 [rows, columns] in [0, 1]

    Args:
        model: "u2netp" (packaged) or "u2net" (needs ``weights``).
        weights: a file of weights; None for the packaged ones.
        device: "cpu".
        threads: CPU threads of the network; None leaves the choice to OpenVINO.

    Raises:
        WeightsError: the weights cannot be used.
        OptionError: an unknown model or device.
    """

    def __init__(
        self,
        *,
        model: str = "u2netp",
        weights: str | Path | None = None,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.device = open_device(device, load_weights(weights, model), threads)

    def __call__(self, picture: Frame | NDArray[np.uint8]) -> Matte:
        """The matte of one picture, at its size.

        Args:
            picture: a Frame, or sRGB uint8 [rows, columns, 3].

        Raises:
            InputError: an array of another shape or type.
        """
        frame = picture if isinstance(picture, Frame) else picture_of(picture)
        return self.device.matte(self.device.network(self.device.prepare(frame)), frame)
