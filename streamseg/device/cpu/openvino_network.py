"""The network on a CPU, run by OpenVINO in float32."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.graph import build_model
from streamseg.errors import InputError, OptionError
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.weights import Weights

__all__ = ["OpenVINONetwork"]


class OpenVINONetwork:
    """Saliency of one RGB image at a time, with the same scale for every image.

    Each object owns its inference requests and runs one image at a time: give each thread its own.

    Args:
        weights: of either network.
        size: side of the square input and output in pixels.
        threads: CPU threads to use; None leaves the choice to OpenVINO.

    Raises:
        OptionError: ``threads`` is below 1 or ``size`` below 32.
    """

    def __init__(self, weights: Weights, size: int = 320, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise OptionError(f"threads is {threads}: expected 1 or more, or none to leave the choice to OpenVINO")
        self.weights = weights
        self.size = size
        self.threads = threads
        self._request = self._compile(normalised=False)

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The fused map of an image.

        Args:
            rgb: uint8 RGB [size, size, 3].

        Returns:
            float32 [size, size] in [0, 1], owned by the caller.

        Raises:
            InputError: ``rgb`` has another shape or type.
        """
        _check(rgb, (self.size, self.size, 3), np.uint8)
        return _infer(self._request, rgb[None])

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
        return _infer(self._normalised_request, normalised[None])

    @cached_property
    def _normalised_request(self) -> Any:
        return self._compile(normalised=True)

    def _compile(self, normalised: bool) -> Any:
        model = build_model(self.weights, self.size, normalised=normalised)
        # OpenVINO takes bfloat16 by itself where the CPU has it, and this network cannot bear that
        config: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if self.threads is not None:
            config["INFERENCE_NUM_THREADS"] = self.threads
        return import_openvino().Core().compile_model(model, "CPU", config).create_infer_request()


def _infer(request: Any, image: NDArray[Any]) -> NDArray[np.float32]:
    request.infer([np.ascontiguousarray(image)], share_inputs=True)
    result: NDArray[np.float32] = request.get_output_tensor().data[0, 0].copy()
    return result


def _check(image: NDArray[Any], shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    if image.shape != shape or image.dtype != dtype:
        raise InputError(
            f"image is {image.dtype} {image.shape}: expected {np.dtype(dtype)} {shape}; resize and convert it first"
        )
