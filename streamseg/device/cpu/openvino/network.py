"""The network on a CPU, run by OpenVINO, in 8-bit integers or in float32."""

from __future__ import annotations

from typing import Any

from streamseg.device.cpu.network import CPUNetwork, Requests, check_threads
from streamseg.device.cpu.openvino.compiling import OpenVINORequest, compile_cached, compile_model
from streamseg.device.cpu.openvino.graph import build_model
from streamseg.device.cpu.openvino.quantised_graph import quantised_model
from streamseg.device.cpu.quantised import packaged_quantised
from streamseg.network.architecture import INPUT_SIZE, Variant
from streamseg.network.quantised import QuantisedWeights
from streamseg.network.weights import Weights

__all__ = ["OpenVINONetwork"]


class OpenVINONetwork(CPUNetwork):
    """A network for every processor, any weights and any size.

    Arguments and errors as for :func:`streamseg.device.cpu.open_network.open_network`.
    """

    def __init__(
        self,
        weights: Weights | QuantisedWeights | None = None,
        size: int = INPUT_SIZE,
        threads: int | None = None,
        in_flight: int = 1,
        variant: Variant = "full",
    ) -> None:
        check_threads(threads, in_flight)
        self.weights = packaged_quantised() if weights is None else weights
        self.threads = threads
        self.variant = variant

        def requests() -> Requests:
            compiled = self._compile(size, False, in_flight)
            images = [OpenVINORequest(compiled) for _ in range(in_flight)]
            return Requests(images, lambda: OpenVINORequest(self._compile(size, True, 1)))

        super().__init__(size, requests)

    def _compile(self, size: int, normalised: bool, streams: int) -> Any:
        if isinstance(self.weights, Weights):
            model = build_model(self.weights, size, normalised=normalised, variant=self.variant)
            return compile_model(model, self.threads, streams)
        return compile_cached(quantised_model(self.weights, size, normalised, self.variant), self.threads, streams)
