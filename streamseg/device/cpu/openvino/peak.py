"""How fast this CPU does plain matrix products through OpenVINO: the ceiling for a network on it."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from streamseg.device.cpu.openvino.core import shared_core
from streamseg.network.quiet_openvino import import_openvino

__all__ = ["multiplications_per_second"]

_CHANNELS, _SIDE, _LAYERS = 512, 64, 4
_MULTIPLICATIONS = _LAYERS * _CHANNELS**2 * _SIDE**2


def multiplications_per_second(precision: str, threads: int | None = None, runs: int = 25) -> float:
    """Multiply-adds a second in a chain of 1×1 convolutions, each a [4096, 512]·[512, 512] product.

    Args:
        precision: "int8" or "float32".
        threads: CPU threads; None leaves the choice to OpenVINO.
        runs: how many are timed; the fastest counts, for this is a ceiling.
    """
    config: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    model = _chain(precision == "int8")
    request = shared_core().compile_model(model, "CPU", config).create_infer_request()
    image = np.random.default_rng(0).random((1, _CHANNELS, _SIDE, _SIDE), np.float32)
    request.infer([image])
    return _MULTIPLICATIONS / min(_seconds(request, image) for _ in range(runs))


def _seconds(request: Any, image: Any) -> float:
    started = perf_counter()
    request.infer([image])
    return perf_counter() - started


def _chain(quantised: bool) -> Any:
    """The model: convolutions with ReLU, and a maximum so that little has to be copied out."""
    openvino = import_openvino()
    ops = openvino.opset13
    rng = np.random.default_rng(1)
    image = x = ops.parameter([1, _CHANNELS, _SIDE, _SIDE], np.float32)
    for _ in range(_LAYERS):
        kernel = rng.integers(-127, 128, (_CHANNELS, _CHANNELS, 1, 1)).astype(np.int8)
        weights = ops.multiply(ops.convert(ops.constant(kernel), np.float32), np.float32(0.0005))
        if quantised:
            x = ops.fake_quantize(x, *(np.float32(bound) for bound in (0, 1, 0, 1)), 256)
        else:
            weights = ops.constant(kernel * np.float32(0.0005))
        x = ops.relu(ops.convolution(x, weights, [1, 1], [0, 0], [0, 0], [1, 1]))
    return openvino.Model([ops.reduce_max(x, np.array([1, 2, 3]), False)], [image], "peak")
