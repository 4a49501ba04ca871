"""The CPU: kernels in C or OpenVINO for the network, swscale and kernels around it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.arithmetic import best_arithmetic
from streamseg.device.cpu.network import CPUNetwork, PendingSaliency
from streamseg.device.cpu.open_network import open_network
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.looks import WHOLE_LOOK, Look
from streamseg.media.crop import crop
from streamseg.media.native import allocate
from streamseg.media.scale import RGBScaler
from streamseg.network.weights import Weights
from streamseg.runtime import Turns

__all__ = ["CPUDevice"]


class _Prepared(NamedTuple):
    rgb: NDArray[np.uint8]
    look: Look


class _Begun(NamedTuple):
    pending: PendingSaliency
    look: Look


class CPUDevice:
    """A device without accelerator; see streamseg.device.Device.

    Args:
        weights: of the network, run in float32; None for the packaged U²-Net† in 8-bit integers.
        threads: CPU threads of the network; None for as many as there are cores.
        in_flight: frames that the network computes at a time; with both forms, the coarse one.
        forms: see streamseg.device.open_device.
    """

    name = "cpu"

    def __init__(
        self, weights: Weights | None = None, threads: int | None = None, in_flight: int = 1, forms: str = "fine"
    ) -> None:
        def network(fine: bool) -> CPUNetwork:
            # Of both the fine one is seldom used: one at a time on all threads needs less memory, and is done sooner.
            at_a_time = 1 if fine and forms == "both" else in_flight
            return open_network(weights, threads=threads, in_flight=at_a_time, detail=fine)

        wanted = [form for form in (True, False) if forms in ("both", "fine" if form else "coarse")]
        with ThreadPoolExecutor(len(wanted)) as pool:  # compiled side by side, for a quick start
            self._networks = dict(zip(wanted, pool.map(network, wanted), strict=True))
        self._turns = Turns()
        self._own()

    def _own(self) -> None:
        """What no other stream may use."""
        size = next(iter(self._networks.values())).size
        self._to_rgb = RGBScaler(size, size)

    def another(self) -> CPUDevice:
        other = copy(self)
        other._own()
        return other

    def prepare(self, frame: Frame, look: Look = WHOLE_LOOK) -> _Prepared:
        left, top, right, bottom = look.box.pixels(frame.width, frame.height)
        rgb = self._to_rgb(crop(frame, left, top, right - left, bottom - top))
        return _Prepared(rgb[:, ::-1] if look.mirrored else rgb, look)

    def network(self, prepared: _Prepared) -> _Begun:
        network = self._networks.get(prepared.look.fine) or next(iter(self._networks.values()))
        with self._turns:
            return _Begun(network.start(prepared.rgb), prepared.look)

    def saliency(self, begun: _Begun) -> NDArray[np.float32]:
        saliency = begun.pending.result()
        return saliency[:, ::-1] if begun.look.mirrored else saliency

    def composite(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        out = allocate(frame, frame.format.opaque())
        best_arithmetic().composite_into(out, frame, matte, background)
        return out
