"""The fastest way to run a network on this CPU."""

from __future__ import annotations

from streamseg.device.cpu.kernel_network import KernelNetwork, kernels_suit
from streamseg.device.cpu.network import CPUNetwork
from streamseg.device.cpu.quantised import QUANTISED_SIZE
from streamseg.network.weights import Weights

__all__ = ["open_network"]


def open_network(
    weights: Weights | None = None,
    size: int = QUANTISED_SIZE,
    threads: int | None = None,
    in_flight: int = 1,
    detail: bool = True,
) -> CPUNetwork:
    """A network on the CPU: run by the kernels in C where they suit, else by OpenVINO.

    Args:
        weights: of either network, run in float32; None for the packaged U²-Net† in 8-bit integers.
        size: side of the square input and output in pixels, 32 or more; 320 is what the networks were trained for.
        threads: CPU threads to use; None for as many as there are cores.
        in_flight: images that are computed at a time, each with its part of the threads. One gives the least delay;
            as many as there are cores, up to four or so, the most images a second.
        detail: False leaves out the last stage of the network: half of the time or less, and a map that is no
            finer than one of half the size.

    Raises:
        OptionError: ``threads`` or ``in_flight`` is below 1, or ``size`` below 32.
        WeightsError: the packaged weights are missing or were altered.
    """
    if weights is None and kernels_suit(size):
        return KernelNetwork(size, threads, in_flight, detail)
    from streamseg.device.cpu.openvino_network import OpenVINONetwork

    return OpenVINONetwork(weights, size, threads, in_flight, detail)
