"""Compiles models for this CPU, and runs them."""

from __future__ import annotations

import locale
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cache import cache_folder
from streamseg.device.cpu.openvino.core import shared_core
from streamseg.network.quiet_openvino import import_openvino
from streamseg.runtime import usable_cores

__all__ = ["OpenVINORequest", "compile_cached", "compile_model"]


def compile_model(model: Any, threads: int | None, streams: int) -> Any:
    """The model, ready to run.

    Args:
        model: an ``openvino.Model``.
        threads: CPU threads to use; None for as many as there are cores.
        streams: inferences that run at a time.
    """
    return shared_core().compile_model(model, "CPU", _config(threads, streams))


def compile_cached(model: Any, threads: int | None, streams: int) -> Any:
    """As compile_model, for 8-bit and packaged networks: from the user's cache, in a quarter of the time if there."""
    config = _config(threads, streams)
    folder = cache_folder(f"openvino-{import_openvino().get_version().split('-')[0]}")
    if folder is not None:
        with _locale_kept(), suppress(RuntimeError):  # a full disk, or a cache that another program damaged
            return shared_core().compile_model(model, "CPU", {**config, "CACHE_DIR": str(folder)})
    return shared_core().compile_model(model, "CPU", config)


_LOCALE_LOCK = Lock()
_locales: list[str] = []


@contextmanager
def _locale_kept() -> Iterator[None]:
    """While it reads its cache OpenVINO sets the locale C for the process, and then again what it was before.

    Two threads at once may find each other's C before, and leave that: text files are then read as ASCII. So the first
    of them remembers the locale, and the last one sets it.
    """
    with _LOCALE_LOCK:
        _locales.append(_locales[0] if _locales else locale.setlocale(locale.LC_ALL))
    try:
        yield
    finally:
        with _LOCALE_LOCK:
            before = _locales.pop()
            if not _locales and locale.setlocale(locale.LC_ALL) != before:
                locale.setlocale(locale.LC_ALL, before)


def _config(threads: int | None, streams: int) -> dict[str, str | int]:
    # OpenVINO would choose bfloat16 where the CPU has it, which is too imprecise for U²-Net.
    config: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32"}
    config.update({"PERFORMANCE_HINT": "LATENCY"} if streams == 1 else {"NUM_STREAMS": streams})
    cores = usable_cores()
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    elif cores < (os.cpu_count() or 1):  # OpenVINO does not know quotas
        config["INFERENCE_NUM_THREADS"] = cores
    return config


class OpenVINORequest:
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
