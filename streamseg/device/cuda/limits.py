"""The speed limits of a GPU, measured and rated: to tell how much of it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.platform import Platform, Stream

__all__ = ["GPULimits", "RatedLimits", "mean_seconds", "measure_limits", "rated_limits"]

_RUNS = 20
# Multiply-adds per clock of one multiprocessor's tensor cores in half precision, by compute capability.
_MULTIPLY_ADDS = {(8, 0): 1024, (8, 6): 512, (8, 9): 512, (9, 0): 2048}


@dataclass(frozen=True, slots=True)
class GPULimits:
    """Measured with plain operations of torch, each alone.

    Attributes:
        multiplications: multiply-adds per second of a matrix product in half precision.
        memory: bytes per second that a copy within GPU memory reads and writes.
        upload, download: bytes per second between page-locked memory and the GPU, one direction at a time.
    """

    multiplications: float
    memory: float
    upload: float
    download: float


@dataclass(frozen=True, slots=True)
class RatedLimits:
    """Computed from the properties of a GPU.

    Attributes:
        multiplications: multiply-adds per second of its tensor cores in half precision, without sparsity.
        memory: bytes per second of its memory bus, read and written together.
    """

    multiplications: float
    memory: float


def rated_limits(properties: Any) -> RatedLimits | None:
    """From torch's properties of a GPU; None without them, or for a generation whose tensor cores are not known here.

    Multiprocessors times clock times the figures of NVIDIA's papers on the architectures (A100 2020, GA102 2020, Ada
    2022, H100 2022); the memory clock counts twice, because data is transferred on both of its edges.
    """
    each = None if properties is None else _MULTIPLY_ADDS.get((properties.major, properties.minor))
    if each is None:
        return None
    clock, memory_clock = 1e3 * properties.clock_rate, 1e3 * properties.memory_clock_rate  # properties are in kHz
    return RatedLimits(
        properties.multi_processor_count * clock * each, 2 * memory_clock * properties.memory_bus_width / 8
    )


def measure_limits(platform: Platform, side: int, megabytes: int) -> GPULimits:
    """Measure a GPU.

    Args:
        side: of the matrices, in rows and columns.
        megabytes: size of each copy.
    """
    stream, size = platform.stream(), megabytes << 20
    with clear_failures("measuring the GPU"), platform.on(stream):
        matrix = torch.randn((side, side), device=platform.device).to(torch.float16)
        product = torch.empty_like(matrix)
        here, there = (platform.empty((size,), torch.uint8) for _ in range(2))
        host = platform.pinned((size,), torch.uint8)
        return GPULimits(
            multiplications=side**3 / mean_seconds(stream, lambda: torch.mm(matrix, matrix, out=product)),
            memory=2 * size / mean_seconds(stream, lambda: there.copy_(here)),
            upload=size / mean_seconds(stream, lambda: here.copy_(host, non_blocking=True)),
            download=size / mean_seconds(stream, lambda: host.copy_(here, non_blocking=True)),
        )


def mean_seconds(stream: Stream, work: Callable[[], object], runs: int = _RUNS) -> float:
    """Mean seconds of ``work`` on the current stream of this thread, queued ``runs`` times after a warm-up."""
    for _ in range(3):
        work()
    stream.synchronize()
    started = perf_counter()
    for _ in range(runs):
        work()
    stream.synchronize()
    return (perf_counter() - started) / runs
