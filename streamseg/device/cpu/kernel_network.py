"""The packaged network on a CPU, run by the kernels in C."""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.compiled import compiled_kernels
from streamseg.device.cpu.network import CPUNetwork, check_threads
from streamseg.device.cpu.network_plan import NetworkPlan, fits
from streamseg.device.cpu.quantised import QUANTISED_SIZE, levels_of
from streamseg.errors import OptionError

__all__ = ["KernelNetwork", "kernels_suit"]


def kernels_suit(size: int = QUANTISED_SIZE) -> bool:
    """Whether this processor is one for the kernels: x86 with AVX2, but without VNNI, with which OpenVINO is faster."""
    kernels = compiled_kernels()
    return kernels is not None and bool(kernels.streamseg_network_suits()) and fits(size)


class KernelNetwork(CPUNetwork):
    """The packaged U²-Net† in 8-bit integers, where the kernels suit: OpenVINO's maps in less than half of the time.

    Arguments and errors as for :func:`streamseg.device.cpu.open_network.open_network`, which chooses.
    """

    def __init__(
        self, size: int = QUANTISED_SIZE, threads: int | None = None, in_flight: int = 1, detail: bool = True
    ) -> None:
        check_threads(threads, in_flight)
        if not kernels_suit(size):
            raise OptionError(f"size {size}: the kernels suit neither every processor nor every size; use open_network")
        threads = threads or os.cpu_count() or 1
        pool = ThreadPoolExecutor(max(threads, in_flight), thread_name_prefix="streamseg-network")
        each = max(1, threads // in_flight)
        requests = [_Request(NetworkPlan(size, detail), pool, each) for _ in range(in_flight)]
        super().__init__(size, requests, lambda: _Request(NetworkPlan(size, detail), pool, threads))


class _Request:
    """See streamseg.device.cpu.network.Request; takes bytes as well as normalised images."""

    def __init__(self, plan: NetworkPlan, pool: ThreadPoolExecutor, threads: int) -> None:
        self._plan, self._pool, self._threads = plan, pool, threads
        self._jobs: list[Future[None]] = []

    def begin(self, image: NDArray[Any]) -> None:
        is_normalised = image.dtype != np.uint8
        if is_normalised:
            self._plan.picture[1:-1, 1:-1, :3] = levels_of(image.transpose(1, 2, 0))
        else:
            self._plan.read_from(image)
        progress, first = self._plan.progress(), int(is_normalised)
        self._jobs = [self._pool.submit(self._plan.run, progress, first) for _ in range(self._threads)]

    def result(self) -> NDArray[np.float32]:
        # Who comes too late for all steps need not be waited for.
        done, _ = wait(self._jobs, return_when=FIRST_COMPLETED)
        for job in done:
            job.result()
        saliency: NDArray[np.float32] = np.negative(self._plan.logits)
        np.exp(np.minimum(saliency, 80, out=saliency), out=saliency)  # a sigmoid that does not overflow
        saliency += 1
        return np.reciprocal(saliency, out=saliency)
