"""What a card does at its best, measured: to say how much of it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.platform import Platform, Stream

__all__ = ["CardLimits", "RatedLimits", "measure_limits", "rated_limits", "seconds_each"]

_RUNS = 20
# Multiply-adds a clock of a multiprocessor's tensor cores in half precision, by compute capability.
_PER_CORE = {(8, 0): 1024, (8, 6): 512, (8, 9): 512, (9, 0): 2048}


@dataclass(frozen=True, slots=True)
class CardLimits:
    """Measured with plain operations of torch, each alone.

    Attributes:
        multiplications: multiply-adds a second of a matrix product in half precision.
        memory: bytes a second that a copy within the card's memory reads and writes.
        upload, download: bytes a second between page-locked memory and the card, one way at a time.
    """

    multiplications: float
    memory: float
    upload: float
    download: float


@dataclass(frozen=True, slots=True)
class RatedLimits:
    """What a card's properties say it could do.

    Attributes:
        multiplications: multiply-adds a second of its tensor cores in half precision, without sparsity.
        memory: bytes a second of its memory's bus, read and written together.
    """

    multiplications: float
    memory: float


def rated_limits(properties: Any) -> RatedLimits | None:
    """From torch's properties of a card; None without them, or for a generation whose tensor cores are not known here.

    Cores times clock times what NVIDIA's papers on the architectures give of each (A100 2020, GA102 2020, Ada 2022,
    H100 2022); the memory's clock counts twice, for data goes over on both of its edges.
    """
    each = None if properties is None else _PER_CORE.get((properties.major, properties.minor))
    if each is None:
        return None
    clock, memory_clock = 1e3 * properties.clock_rate, 1e3 * properties.memory_clock_rate  # given in kHz
    return RatedLimits(
        properties.multi_processor_count * clock * each, 2 * memory_clock * properties.memory_bus_width / 8
    )


def measure_limits(platform: Platform, side: int, megabytes: int) -> CardLimits:
    """Measure a card.

    Args:
        side: of the matrices.
        megabytes: that are copied at a time.
    """
    stream, size = platform.stream(), megabytes << 20
    with clear_failures("measuring the card"), platform.on(stream):
        matrix = torch.randn((side, side), device=platform.device).to(torch.float16)
        product = torch.empty_like(matrix)
        here, there = (platform.empty((size,), torch.uint8) for _ in range(2))
        host = platform.pinned((size,), torch.uint8)
        return CardLimits(
            multiplications=side**3 / seconds_each(stream, lambda: torch.mm(matrix, matrix, out=product)),
            memory=2 * size / seconds_each(stream, lambda: there.copy_(here)),
            upload=size / seconds_each(stream, lambda: here.copy_(host, non_blocking=True)),
            download=size / seconds_each(stream, lambda: host.copy_(here, non_blocking=True)),
        )


def seconds_each(stream: Stream, work: Callable[[], object], runs: int = _RUNS) -> float:
    """Seconds that ``work`` takes on the stream of this thread, queued many times over: the mean, warmed up."""
    for _ in range(3):
        work()
    stream.synchronize()
    started = perf_counter()
    for _ in range(runs):
        work()
    stream.synchronize()
    return (perf_counter() - started) / runs
