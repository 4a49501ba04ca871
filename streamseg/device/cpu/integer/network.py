"""U²-Net† in 8-bit integers on a CPU, run by kernels of our own in C."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.integer.network_plan import NetworkPlan, size_fits
from streamseg.device.cpu.integer.plan import Instructions, supported_instructions
from streamseg.device.cpu.network import CPUNetwork, Requests, check_threads
from streamseg.device.cpu.quantised import packaged_quantised
from streamseg.errors import OptionError
from streamseg.network.architecture import INPUT_SIZE, Variant
from streamseg.network.quantised import QuantisedWeights, levels_of
from streamseg.runtime import usable_cores

__all__ = ["IntegerNetwork", "integer_network_supported"]


def integer_network_supported(size: int = INPUT_SIZE) -> bool:
    """Whether it can run: compiled kernels, x86 with AVX2, a size of the input that is a multiple of 32."""
    return bool(supported_instructions()) and size_fits(size)


class IntegerNetwork(CPUNetwork):
    """U²-Net† in 8-bit integers, without OpenVINO: the same maps but for rounding.

    Arguments and errors as for :func:`streamseg.device.cpu.open_network.open_network`, which chooses.

    Args:
        instructions: that the kernels use; the fastest of this processor if None.
    """

    def __init__(
        self,
        weights: QuantisedWeights | None = None,
        size: int = INPUT_SIZE,
        threads: int | None = None,
        in_flight: int = 1,
        variant: Variant = "full",
        instructions: Instructions | None = None,
    ) -> None:
        check_threads(threads, in_flight)
        if not integer_network_supported(size):
            raise OptionError(
                f"size {size}: the integer kernels need a multiple of 32, 64 or more, AVX2 and a compiler at "
                "installation; use open_network"
            )
        wanted, quantised = threads or usable_cores(), packaged_quantised() if weights is None else weights

        def requests() -> Requests:
            pool = ThreadPoolExecutor(max(wanted, in_flight), thread_name_prefix="streamseg-network")
            each = max(1, wanted // in_flight)
            images = [_Request(plan(), pool, each) for _ in range(in_flight)]
            return Requests(images, lambda: _Request(plan(), pool, wanted))

        def plan() -> NetworkPlan:
            return NetworkPlan(quantised, size, variant, instructions)

        super().__init__(size, requests)


class _Request:
    """See streamseg.device.cpu.network.Request; takes uint8 RGB as well as normalised images."""

    def __init__(self, plan: NetworkPlan, pool: ThreadPoolExecutor, threads: int) -> None:
        self._plan, self._pool, self._threads = plan, pool, threads
        self._runs: list[Future[None]] = []

    def start(self, image: NDArray[Any]) -> None:
        is_normalised = image.dtype != np.uint8
        if is_normalised:
            self._plan.set_levels(levels_of(image.transpose(1, 2, 0)))
        else:
            self._plan.set_image(image)
        progress, first_step = self._plan.new_progress(), int(is_normalised)
        self._runs = [self._pool.submit(self._plan.run, progress, first_step) for _ in range(self._threads)]

    def result(self) -> NDArray[np.float32]:
        # A thread that starts after the last step has nothing to do, and is not waited for.
        done, _ = wait(self._runs, return_when=FIRST_COMPLETED)
        for run in done:
            run.result()
        saliency: NDArray[np.float32] = np.negative(self._plan.logits)
        np.exp(np.minimum(saliency, 80, out=saliency), out=saliency)  # a sigmoid that does not overflow
        saliency += 1
        return np.reciprocal(saliency, out=saliency)
