"""The network on a CPU, run by OpenVINO: packaged in 8-bit integers, other weights in float32."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.network import CPUNetwork, Requests, check_threads
from streamseg.device.cpu.openvino.graph import build_model
from streamseg.device.cpu.openvino.model_cache import cache_folder
from streamseg.device.cpu.openvino.quantised_graph import quantised_model
from streamseg.network.architecture import INPUT_SIZE, Variant
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.weights import Weights
from streamseg.runtime import usable_cores

__all__ = ["OpenVINONetwork"]


class OpenVINONetwork(CPUNetwork):
    """A network for every processor, any weights and any size.

    Arguments and errors as for :func:`streamseg.device.cpu.open_network.open_network`.
    """

    def __init__(
        self,
        weights: Weights | None = None,
        size: int = INPUT_SIZE,
        threads: int | None = None,
        in_flight: int = 1,
        variant: Variant = "full",
    ) -> None:
        check_threads(threads, in_flight)
        self.weights = weights
        self.threads = threads
        self.variant = variant

        def requests() -> Requests:
            compiled = self._compile(size, False, in_flight)
            images = [_Request(compiled) for _ in range(in_flight)]
            return Requests(images, lambda: _Request(self._compile(size, True, 1)))

        super().__init__(size, requests)

    def _compile(self, size: int, normalised: bool, streams: int) -> Any:
        # OpenVINO would choose bfloat16 where the CPU has it, which is too imprecise for this network.
        config: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32"}
        config.update({"PERFORMANCE_HINT": "LATENCY"} if streams == 1 else {"NUM_STREAMS": streams})
        cores = usable_cores()
        if self.threads is not None:
            config["INFERENCE_NUM_THREADS"] = self.threads
        elif cores < (os.cpu_count() or 1):  # OpenVINO does not know quotas
            config["INFERENCE_NUM_THREADS"] = cores
        if self.weights is not None:
            model = build_model(self.weights, size, normalised=normalised, variant=self.variant)
            return import_openvino().Core().compile_model(model, "CPU", config)
        return _compile_cached(quantised_model(size, normalised, self.variant), config)


class _Request:
    """See streamseg.device.cpu.network.Request."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self._request = compiled.create_infer_request()

    def start(self, image: NDArray[Any]) -> None:
        self._request.start_async([image[None]], share_inputs=True)

    def result(self) -> NDArray[np.float32]:
        self._request.wait()
        saliency: NDArray[np.float32] = self._request.get_output_tensor().data[0, 0].copy()
        return saliency


def _compile_cached(model: Any, config: dict[str, str | int]) -> Any:
    """Compiles the packaged network; from the user's cache, if it was compiled before, in a quarter of the time."""
    openvino = import_openvino()
    folder = cache_folder(openvino.get_version())
    if folder is not None:
        with suppress(RuntimeError):  # a full disk, or a cache that another program damaged
            return openvino.Core().compile_model(model, "CPU", {**config, "CACHE_DIR": str(folder)})
    return openvino.Core().compile_model(model, "CPU", config)
