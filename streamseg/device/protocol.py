"""What a device must be able to do."""

from __future__ import annotations

import logging
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import DeviceError, MissingDependency, OptionError
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.looks import WHOLE_LOOK, Look
from streamseg.network.weights import Weights

__all__ = ["DEVICES", "FORMS", "Device", "open_device"]

#: What open_device takes.
DEVICES = ("cpu", "cuda", "auto")
#: Forms of the network that a device can have ready: coarse is twice as fast as fine.
FORMS = ("fine", "coarse", "both")


class Device(Protocol):
    """The steps between a decoded frame and a composited one.

    The steps of one frame are called in this order, but each from a thread of its own and for different
    frames at a time; what passes between ``prepare``, ``network`` and ``saliency`` is the device's own.
    A device serves one stream.
    """

    name: str

    def prepare(self, frame: Frame, look: Look = WHOLE_LOOK) -> Any:
        """The network's input, made from the frame's planes."""
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
    name: str, weights: Weights | None = None, threads: int | None = None, in_flight: int = 1, forms: str = "fine"
) -> Device:
    """The device called ``name``.

    Args:
        name: "cpu"; "cuda", the first NVIDIA card, which fails where there is none that will do; or "auto", that card
            or else the CPU, which is then reported with the reason to the logger ``streamseg``.
        weights: in float32; None for the fastest form of U²-Net† that is packaged for the device.
        threads: CPU threads of the network; None for as many as there are cores.
        in_flight: frames that the network computes at a time: 1 for the least delay, more for the most frames. A card
            needs no more than one.
        forms: "fine", "coarse" or "both" (then every Look says which): coarse takes half the time. A card with both
            looks in its fine form only.

    Raises:
        OptionError: there is no such device or form.
        MissingDependency: it needs something that is not installed.
        DeviceError: there is no card, or it cannot be used.
    """
    if name not in DEVICES:
        raise OptionError(f"device {name!r}: expected {', '.join(DEVICES)}")
    if forms not in FORMS:
        raise OptionError(f"forms {forms!r}: expected {', '.join(FORMS)}")
    if name != "cpu":
        try:
            return _open_card(weights, forms != "coarse")
        except (DeviceError, MissingDependency) as error:
            if name == "cuda":
                raise
            logging.getLogger("streamseg").warning("streamseg: device auto: the CPU is used (%s)", error)
    from streamseg.device.cpu.device import CPUDevice

    return CPUDevice(weights, threads, in_flight, forms)


def _open_card(weights: Weights | None, detail: bool) -> Device:
    try:
        from streamseg.device.cuda.device import CUDADevice
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependency('the device cuda: torch is not installed; pip install "streamseg[cuda]"') from error
    return CUDADevice(weights, detail=detail)
