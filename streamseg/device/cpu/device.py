"""The CPU as a device: swscale for the network's input, OpenVINO or integer kernels for the network, C for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.matting.backend import best_backend
from streamseg.device.cpu.network import CPUNetwork, PendingSaliency
from streamseg.device.cpu.open_network import open_network, open_selfie_network
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.tracking.inference import FULL_FRAME_INFERENCE, Inference
from streamseg.media.pixels.crop import crop
from streamseg.media.pixels.native import allocate
from streamseg.media.pixels.scale import RGBScaler
from streamseg.network.architecture import INPUT_SIZE, Variant
from streamseg.network.quantised import QuantisedWeights
from streamseg.network.selfie import SELFIE_SIZE
from streamseg.network.weights import Weights

__all__ = ["CPUDevice"]


class _Prepared(NamedTuple):
    rgb: NDArray[np.uint8]
    for_selfie: NDArray[np.uint8] | None
    inference: Inference


class _Pending(NamedTuple):
    saliency: PendingSaliency
    person_map: PendingSaliency | None
    inference: Inference


class CPUDevice:
    """A device without accelerator; see streamseg.device.Device.

    Any number of threads may use it; in a forked child its networks open again at their first use.

    Args:
        weights: see streamseg.device.open_device.
        threads: CPU threads of the network; None for as many as there are cores.
        in_flight: inferences that run at a time; with both variants, of all but the full one of the first size.
        variants, sizes, subject: see streamseg.device.open_device.
    """

    name = "cpu"

    def __init__(
        self,
        weights: Weights | QuantisedWeights | None = None,
        threads: int | None = None,
        in_flight: int = 1,
        variants: str = "full",
        sizes: Sequence[int] = (INPUT_SIZE,),
        subject: str = "any",
    ) -> None:
        def network(variant: Variant, size: int) -> CPUNetwork:
            # Of both, the full one runs seldom: one at a time on all threads needs less memory and is done sooner.
            at_a_time = 1 if variants == "both" and (variant, size) == ("full", sizes[0]) else in_flight
            return open_network(weights, size, threads, at_a_time, variant)

        self.sizes, self.subject = tuple(sizes), subject
        self._variants: list[Variant] = [variant for variant in get_args(Variant) if variants in ("both", variant)]
        wanted: list[tuple[Variant, int]] = [(variant, self.sizes[0]) for variant in self._variants]
        wanted += [("full", size) for size in self.sizes[1:]]
        with ThreadPoolExecutor(len(wanted) + 1) as pool:  # compiled in parallel, for a quick start
            selfie = pool.submit(open_selfie_network, threads, in_flight) if subject != "any" else None
            self._networks = dict(zip(wanted, pool.map(network, *zip(*wanted, strict=True)), strict=True))
            self._selfie = None if selfie is None else selfie.result()
        self._to_rgb = {size: RGBScaler(size, size) for size in {*self.sizes, SELFIE_SIZE}}

    def another(self) -> CPUDevice:
        return copy(self)

    def prepare(self, frame: Frame, inference: Inference = FULL_FRAME_INFERENCE) -> _Prepared:
        left, top, right, bottom = inference.roi.pixels(frame.width, frame.height)
        seen = crop(frame, left, top, right - left, bottom - top)
        rgb = self._to_rgb[inference.size or self.sizes[0]](seen)
        asked = self._selfie is not None and inference.person_map != "unused"
        for_selfie = self._to_rgb[SELFIE_SIZE](seen) if asked else None
        return _Prepared(rgb[:, ::-1] if inference.flipped else rgb, for_selfie, inference)

    def network(self, prepared: _Prepared) -> _Pending:
        variant, size = prepared.inference.variant, len(prepared.rgb)
        only = size == self.sizes[0] and variant not in self._variants
        network = self._networks[self._variants[0] if only else variant, size]
        started = network.start(prepared.rgb)
        person_map = None
        if self._selfie is not None and prepared.for_selfie is not None:
            person_map = self._selfie.start(prepared.for_selfie)
        return _Pending(started, person_map, prepared.inference)

    def saliency(self, pending: _Pending) -> NDArray[np.float32]:
        saliency = pending.saliency.result()
        return saliency[:, ::-1] if pending.inference.flipped else saliency

    def person_map(self, pending: _Pending) -> NDArray[np.float32] | None:
        return None if pending.person_map is None else pending.person_map.result()

    def composite(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        out = allocate(frame, frame.format.opaque())
        best_backend().composite_into(out, frame, matte, background)
        return out
