"""What a device must be able to do."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.boxes import WHOLE, Box
from streamseg.network.weights import Weights

__all__ = ["Device", "open_device"]


class Device(Protocol):
    """The steps between a decoded frame and a composited one.

    The steps of one frame are called in this order, but each from a thread of its own and for different
    frames at a time; what passes between ``prepare``, ``network`` and ``saliency`` is the device's own.
    A device serves one stream.
    """

    name: str

    def prepare(self, frame: Frame, box: Box = WHOLE) -> Any:
        """The network's input, made from the frame's planes inside ``box``."""
        ...

    def network(self, prepared: Any) -> Any:
        """Begin with a prepared frame, as soon as the network has room for it."""
        ...

    def saliency(self, begun: Any) -> NDArray[np.float32]:
        """Wait for the saliency map of a frame that was begun: float32 [rows, columns] in [0, 1], of its box."""
        ...

    def composite(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        """The frame over background planes of its own size and format, in a new frame without alpha."""
        ...

    def another(self) -> Device:
        """A device for another stream with the same network: the streams take turns, first come, first served."""
        ...


def open_device(
    name: str, weights: Weights | None = None, threads: int | None = None, in_flight: int = 1, detail: bool = True
) -> Device:
    """The device called ``name``: "cpu".

    Args:
        weights: in float32; None for the fastest form of U²-Net† that is packaged for the device.
        threads: CPU threads of the network; None leaves the choice to OpenVINO.
        in_flight: frames that the network computes at a time: 1 for the least delay, more for the most frames.
        detail: False for the coarser, twice as fast form of the network.

    Raises:
        OptionError: there is no such device.
        MissingDependency: it needs something that is not installed.
    """
    if name != "cpu":
        raise OptionError(f"device {name!r}: expected cpu")
    from streamseg.device.cpu.device import CPUDevice

    return CPUDevice(weights, threads, in_flight, detail)
