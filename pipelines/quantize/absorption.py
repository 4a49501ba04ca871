"""Constant parts of activations, moved into the biases of the convolutions that read them.

After Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias Correction, section 4.1.3, with
ranges that are measured. A channel that stays between 226 and 228 for every image would leave less than three of 256
levels to its two units of variation; in the published weights there is one, which biases of up to 1361 cancel. (At the
outermost pixels, where the network pads with zeros, the result differs a little.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from streamseg.network.architecture import U2NETP, stage_layers

from .ranges import Range, Tensors, layer_inputs

__all__ = ["absorb"]

# Share of the largest value that must be constant.
_SHARE = 0.5


def absorb(tensors: Tensors, ranges: Mapping[str, Range]) -> Tensors:
    """The tensors of the same network whose activations inside the stages lack their constant part.

    Args:
        tensors: of the network, float32, with batch norms folded.
        ranges: of its activations, see measure_ranges.
    """
    constants = {name: _constant(ranges[name]) for name in _inside_stages()}
    constants = {name: values for name, values in constants.items() if values.any()}
    biases = {f"{name}.bias": tensors[f"{name}.bias"].astype(np.float64) - values for name, values in constants.items()}
    for name, sources in layer_inputs():
        if not constants.keys() & set(sources):
            continue
        weight, first = tensors[f"{name}.weight"].astype(np.float64).sum((2, 3)), 0
        bias = biases.setdefault(f"{name}.bias", tensors[f"{name}.bias"].astype(np.float64))
        for source in sources:
            channels = len(tensors[f"{source}.bias"])
            if source in constants:
                bias += weight[:, first : first + channels] @ constants[source]
            first += channels
    return tensors | {name: values.astype(np.float32) for name, values in biases.items()}


def _inside_stages() -> list[str]:
    """Convolutions whose outputs only convolutions read; the first and the last of a stage are added up."""
    return [layer.name for stage in U2NETP.stages for layer in stage_layers(stage)[1:-1]]


def _constant(of: Range) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Half of the range's width below it, so that other images, which may leave it, are not cut off."""
    below = of.low.astype(np.float64) - (of.high - of.low) / 2
    return np.where(below > _SHARE * of.high, below, 0.0)
