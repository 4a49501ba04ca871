"""Frame in, matte out: for people with a loop of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device import open_device
from streamseg.device.cpu.arithmetic import best_arithmetic
from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte
from streamseg.matting.boxes import WHOLE
from streamseg.matting.motion import substance, thumbnail
from streamseg.matting.sharpener import Cutout, Sharpener
from streamseg.matting.steady import working_size
from streamseg.media.pictures import picture_of
from streamseg.network.weights import Weights, load_weights

__all__ = ["Segmenter", "weights_for"]


class Segmenter:
    """Finds what stands out in a picture.

        segmenter = Segmenter()
        matte = segmenter(rgb)          # uint8 [rows, columns, 3] → Matte
        alpha = matte.as_float()        # float32 [rows, columns] in [0, 1]

    Args:
        model: "u2netp" (packaged) or "u2net" (needs ``weights``).
        weights: a file of weights; None for the packaged ones.
        precision: "int8" (packaged weights only) or "float32"; None is "int8" where that is packaged. A card has
            neither: there the network runs in half precision, whose maps are those of float32.
        device: "cpu", "cuda" or "auto"; see streamseg.device.open_device.
        threads: CPU threads of the network; None for as many as there are cores.
        in_flight: frames that the network may compute at a time; more than one only helps callers of ``device``.
        forms: of the network, for callers of ``device``; see streamseg.device.open_device.
        edges: refine the matte's edges in the frame's own detail.

    Raises:
        WeightsError: the weights cannot be used.
        OptionError: an unknown model, precision or device, or int8 on a card.
        MissingDependency, DeviceError: the card cannot be used.
    """

    def __init__(
        self,
        *,
        model: str = "u2netp",
        weights: str | Path | None = None,
        precision: str | None = None,
        device: str = "cpu",
        threads: int | None = None,
        in_flight: int = 1,
        forms: str = "fine",
        edges: bool = True,
    ) -> None:
        if device == "cuda" and precision == "int8":
            raise OptionError("precision int8: the device cuda runs in half precision; leave it out")
        self._forms = forms
        self._options: dict[str, Any] = {
            "model": model,
            "weights": weights,
            "precision": precision,
            "device": device,
            "threads": threads,
            "in_flight": in_flight,
            "edges": edges,
        }
        self.device = open_device(device, weights_for(model, weights, precision), threads, in_flight, forms)
        self._arithmetic = best_arithmetic()
        self._sharpen = Sharpener(edges, self._arithmetic)

    def with_forms(self, forms: str) -> Segmenter:
        """One with the same options and those forms of the network; itself if it has them."""
        return self if forms == self._forms else Segmenter(**self._options, forms=forms)

    def __call__(self, picture: Frame | NDArray[np.uint8]) -> Matte:
        """The matte of one picture, at its size.

        Args:
            picture: a Frame, or sRGB uint8 [rows, columns, 3].

        Raises:
            InputError: an array of another shape or type.
        """
        frame = picture if isinstance(picture, Frame) else picture_of(picture)
        return self.matte(frame)

    def matte(self, frame: Frame) -> Matte:
        """The matte of one frame, at its size."""
        return self.cut_out(frame).matte

    def cut_out(self, frame: Frame) -> Cutout:
        """The matte of one frame, and the frame with the old background's colour taken out of the edges."""
        device = self.device
        saliency = device.saliency(device.network(device.prepare(frame)))
        shape = working_size(frame.width, frame.height)
        picture = thumbnail(frame, self._arithmetic.shrink)
        return self._sharpen(frame, self._arithmetic.observe(saliency, WHOLE, shape, substance(picture)).alpha)


def weights_for(model: str, weights: str | Path | None, precision: str | None) -> Weights | None:
    """Weights in float32, or None where the packaged 8-bit network is meant; arguments and errors as for Segmenter."""
    packaged = weights is None and model == "u2netp"
    if precision not in (None, "int8", "float32"):
        raise OptionError(f"precision {precision!r}: expected int8 or float32")
    if precision == "int8" and not packaged:
        raise OptionError("precision int8: only the packaged u2netp has it; leave it out for other weights")
    return load_weights(weights, model) if precision == "float32" or not packaged else None
