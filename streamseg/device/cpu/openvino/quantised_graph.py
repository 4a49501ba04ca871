"""U²-Net† in 8-bit integers as an ``openvino.Model``."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamseg.device.cpu.openvino.graph import GraphBuilder
from streamseg.network.architecture import INPUT_SIZE, U2NETP, Variant
from streamseg.network.quantised import QuantisedWeights, image_levels

__all__ = ["QuantisedBuilder", "quantised_model"]


def quantised_model(
    weights: QuantisedWeights, size: int = INPUT_SIZE, normalised: bool = False, variant: Variant = "full"
) -> Any:
    """The network as an ``openvino.Model``.

    Arguments, input and output as for :func:`streamseg.device.cpu.openvino.graph.build_model`.

    Raises:
        OptionError: ``size`` is too small.
    """
    return QuantisedBuilder(U2NETP, weights.tensors, variant).build(size, 1, normalised)


class QuantisedBuilder(GraphBuilder):
    """The network on 8-bit integers: OpenVINO turns fake-quantised activations into integer arithmetic.

    ``tensors`` are those of QuantisedWeights; its module says why one step of 1/255 is right for every activation.
    """

    def kernel(self, name: str) -> Any:
        step = self.tensors[f"{name}.step"].reshape(-1, 1, 1, 1)
        integers = self.ops.constant(self.tensors[f"{name}.weight"])
        return self.ops.multiply(self.ops.convert(integers, np.float32), self.constant(step))

    def activation(self, x: Any) -> Any:
        return self._fake_quantised(x, 0.0, 1.0)

    def image(self, x: Any) -> Any:
        """The range of normalised uint8 RGB in 256 levels, one of which is zero: convolutions pad with it."""
        step, zero = image_levels()
        return self._fake_quantised(x, -zero * step, (255 - zero) * step)

    def _fake_quantised(self, x: Any, low: float, high: float) -> Any:
        bounds = [self.constant(np.full((1, 1, 1, 1), bound)) for bound in (low, high)]
        return self.ops.fake_quantize(x, *bounds, *bounds, 256)
