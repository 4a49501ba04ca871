"""The network on a CPU, run by OpenVINO: packaged in 8-bit integers, other weights in float32."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.graph import build_model
from streamseg.device.cpu.model_cache import cache_folder
from streamseg.device.cpu.quantised import QUANTISED_SIZE, quantised_model
from streamseg.errors import InputError, OptionError
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.weights import Weights

__all__ = ["OpenVINONetwork", "PendingSaliency"]


class PendingSaliency:
    """A map that is being computed."""

    def __init__(self, request: Any, image: NDArray[Any]) -> None:
        self._request, self._lock = request, Lock()
        self._image: NDArray[Any] | None = image  # OpenVINO reads it in place
        self._saliency: NDArray[np.float32] | None = None
        request.start_async([image], share_inputs=True)

    def result(self) -> NDArray[np.float32]:
        """The map, float32 [size, size] in [0, 1], when it is done; may be asked for by any thread, and again."""
        with self._lock:
            if self._saliency is None:
                self._request.wait()
                self._saliency = self._request.get_output_tensor().data[0, 0].copy()
                self._image = None
            return self._saliency


class OpenVINONetwork:
    """Saliency of RGB images, with the same scale for every image.

    Each object owns its inference requests; start images from one thread only.

    Args:
        weights: of either network, run in float32; None for the packaged U²-Net† in 8-bit integers.
        size: side of the square input and output in pixels, 32 or more; 320 is what the networks were trained for.
        threads: CPU threads to use; None leaves the choice to OpenVINO.
        in_flight: images that are computed at a time, each with its part of the threads. One gives the least delay;
            as many as there are cores, up to four or so, the most images a second.
        detail: False leaves out the stage at full resolution: about half of the time; the map is as large, but no
            finer than one of half the size.

    Raises:
        OptionError: ``threads`` or ``in_flight`` is below 1, or ``size`` below 32.
    """

    def __init__(
        self,
        weights: Weights | None = None,
        size: int = QUANTISED_SIZE,
        threads: int | None = None,
        in_flight: int = 1,
        detail: bool = True,
    ) -> None:
        if threads is not None and threads < 1:
            raise OptionError(f"threads is {threads}: expected 1 or more, or none to leave the choice to OpenVINO")
        if in_flight < 1:
            raise OptionError(f"in_flight is {in_flight}: expected 1 or more")
        self.weights = weights
        self.size = size
        self.threads = threads
        self.detail = detail
        compiled = self._compile(normalised=False, streams=in_flight)
        self._requests = [compiled.create_infer_request() for _ in range(in_flight)]
        self._pending: deque[PendingSaliency] = deque()

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The fused map of an image.

        Args:
            rgb: uint8 RGB [size, size, 3].

        Returns:
            float32 [size, size] in [0, 1], owned by the caller.

        Raises:
            InputError: ``rgb`` has another shape or type.
        """
        return self.start(rgb).result()

    def start(self, rgb: NDArray[np.uint8]) -> PendingSaliency:
        """Begin with an image, as soon as fewer than ``in_flight`` are being computed; arguments as for a call.

        It waits for the network only, never for whoever takes the results.
        """
        _check(rgb, (self.size, self.size, 3), np.uint8)
        if len(self._pending) == len(self._requests):
            self._pending.popleft().result()
        request = self._requests[0]
        self._requests.append(self._requests.pop(0))
        self._pending.append(PendingSaliency(request, np.ascontiguousarray(rgb[None])))
        return self._pending[-1]

    def saliency(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """The fused map of an image that was normalised elsewhere, as the published way does.

        Args:
            normalised: float32 RGB [3, size, size] with the ImageNet mean and deviation taken out.

        Returns:
            float32 [size, size] in [0, 1], owned by the caller.

        Raises:
            InputError: ``normalised`` has another shape or type.
        """
        _check(normalised, (3, self.size, self.size), np.float32)
        return PendingSaliency(self._normalised_request, np.ascontiguousarray(normalised[None])).result()

    @cached_property
    def _normalised_request(self) -> Any:
        return self._compile(normalised=True, streams=1).create_infer_request()

    def _compile(self, normalised: bool, streams: int) -> Any:
        # OpenVINO takes bfloat16 by itself where the CPU has it, and this network cannot bear that
        config: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32"}
        config.update({"PERFORMANCE_HINT": "LATENCY"} if streams == 1 else {"NUM_STREAMS": streams})
        if self.threads is not None:
            config["INFERENCE_NUM_THREADS"] = self.threads
        if self.weights is not None:
            model = build_model(self.weights, self.size, normalised=normalised, detail=self.detail)
            return import_openvino().Core().compile_model(model, "CPU", config)
        return _compile_cached(quantised_model(self.size, normalised, self.detail), config)


def _compile_cached(model: Any, config: dict[str, str | int]) -> Any:
    """The packaged network, from the user's cache if it was compiled before: a quarter of the time."""
    openvino = import_openvino()
    folder = cache_folder(openvino.get_version())
    if folder is not None:
        with suppress(RuntimeError):  # a full disk, or a cache that another program spoilt
            return openvino.Core().compile_model(model, "CPU", {**config, "CACHE_DIR": str(folder)})
    return openvino.Core().compile_model(model, "CPU", config)


def _check(image: NDArray[Any], shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    if image.shape != shape or image.dtype != dtype:
        raise InputError(
            f"image is {image.dtype} {image.shape}: expected {np.dtype(dtype)} {shape}; resize and convert it first"
        )
