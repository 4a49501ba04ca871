"""The CPU: OpenVINO for the network, swscale and NumPy around it."""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.blend import CompiledBlend
from streamseg.device.cpu.openvino_network import OpenVINONetwork, PendingSaliency
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.boxes import WHOLE, Box
from streamseg.matting.composite import composite_into
from streamseg.media.crop import crop
from streamseg.media.native import allocate
from streamseg.media.scale import RGBScaler
from streamseg.network.weights import Weights
from streamseg.runtime import Turns

__all__ = ["CPUDevice"]


class CPUDevice:
    """A device without accelerator; see streamseg.device.Device.

    Args:
        weights: of the network, run in float32; None for the packaged U²-Net† in 8-bit integers.
        threads: CPU threads of the network; None leaves the choice to OpenVINO.
        in_flight: frames that the network computes at a time.
        detail: False for the coarser, twice as fast form of the network.
    """

    name = "cpu"

    def __init__(
        self, weights: Weights | None = None, threads: int | None = None, in_flight: int = 1, detail: bool = True
    ) -> None:
        self._network = OpenVINONetwork(weights, threads=threads, in_flight=in_flight, detail=detail)
        self._turns = Turns()
        self._own()

    def _own(self) -> None:
        """What no other stream may use."""
        self._blend = CompiledBlend()
        self._to_rgb = RGBScaler(self._network.size, self._network.size)

    def another(self) -> CPUDevice:
        other = copy(self)
        other._own()
        return other

    def prepare(self, frame: Frame, box: Box = WHOLE) -> NDArray[np.uint8]:
        left, top, right, bottom = box.pixels(frame.width, frame.height)
        return self._to_rgb(crop(frame, left, top, right - left, bottom - top))

    def network(self, prepared: NDArray[np.uint8]) -> PendingSaliency:
        with self._turns:
            return self._network.start(prepared)

    def saliency(self, begun: PendingSaliency) -> NDArray[np.float32]:
        return begun.result()

    def composite(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        out = allocate(frame, frame.format.opaque())
        composite_into(out, frame, matte, background, self._blend)
        return out
