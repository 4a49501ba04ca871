"""Opens a network on the CPU with whatever runs it fastest."""

from __future__ import annotations

from streamseg.deprecation import old_detail
from streamseg.device.cpu.integer.network import IntegerNetwork, integer_network_supported
from streamseg.device.cpu.network import CPUNetwork
from streamseg.network.architecture import INPUT_SIZE, Variant
from streamseg.network.quantised import QuantisedWeights
from streamseg.network.weights import Weights

__all__ = ["open_network", "open_selfie_network"]


def open_network(
    weights: Weights | QuantisedWeights | None = None,
    size: int = INPUT_SIZE,
    threads: int | None = None,
    in_flight: int = 1,
    variant: Variant = "full",
    detail: bool | None = None,
) -> CPUNetwork:
    """The network on the CPU, run by the fastest of what can run it: integer kernels of our own, or OpenVINO.

    Args:
        weights: of either network, run in float32, or of U²-Net† in 8-bit integers; None for the packaged ones of it.
        size: side of the square input and output in pixels, 32 or more; 320 is what the networks were trained for.
        threads: CPU threads to use; None for as many as there are cores.
        in_flight: inferences that run at a time, each on its share of the threads: 1 for the lowest latency; as many as
            there are cores, up to about four, for the highest throughput.
        variant: "full", or "lite": half of the time or less, for a map that is no finer than one of half the size.
        detail: deprecated: True is the full variant, False the lite one.

    Raises:
        OptionError: ``threads`` or ``in_flight`` is below 1, or ``size`` below 32.
        WeightsError: the packaged weights are missing or were altered.
    """
    variant = old_detail(variant, detail)
    if not isinstance(weights, Weights) and integer_network_supported(size):
        return IntegerNetwork(weights, size, threads, in_flight, variant)
    from streamseg.device.cpu.openvino.network import OpenVINONetwork

    return OpenVINONetwork(weights, size, threads, in_flight, variant)


def open_selfie_network(threads: int | None = None, in_flight: int = 1) -> CPUNetwork:
    """The selfie network on the CPU, see streamseg.device.cpu.openvino.selfie; arguments as for open_network."""
    from streamseg.device.cpu.openvino.selfie import SelfieNetwork

    return SelfieNetwork(threads, in_flight)
