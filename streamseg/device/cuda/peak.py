"""What a card does at its best, measured: to say how much of it is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.platform import Platform, Stream

__all__ = ["CardLimits", "measure_limits", "seconds_each"]

_RUNS = 20


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
