"""Post-training quantisation: from tensors in float32 to those of QuantisedWeights.

After Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias Correction, with ranges that are
measured instead of inferred:

- *Equalisation* (section 4.1). Each channel is divided by the largest activation measured. With one range for all
  channels, quiet channels, the only active ones in a dark or empty frame, would be lost in the quantisation step of
  loud ones, and a black frame would get a subject that is not there.
- *Sums that fit.* Processors without VNNI add two products, of 8-bit activations and weights of neighbouring channels,
  in 16 bits and saturate; the kernels in C need sums that fit into 32 bits. The step of each output channel is just
  large enough for that, so the network is the same on all processors.
- *Bias correction* (section 4.2). The mean error that rounded weights add to an output is subtracted from its bias.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.integer.packing import LARGEST_SUM
from streamseg.network.architecture import U2NETP, convolutions, stage_layers
from streamseg.network.head import HEAD_BIAS, fold_head, head_layers
from streamseg.network.quantised import QuantisedWeights, basis_name, restored_name

from .ranges import Range, Tensors, layer_inputs

__all__ = ["quantise", "quantise_weights"]

Array = NDArray[np.float32]
# Largest sum of two weights whose products with activations of 255 fit in 16 bits.
_LARGEST_PAIR = (2**15 - 1) // 255


def quantise(tensors: Tensors, ranges: Mapping[str, Range]) -> QuantisedWeights:
    """The network in integers.

    Args:
        tensors: of the network and of the factors of its lite variant, float32.
        ranges: of all activations of both variants.
    """
    tensors, ranges = _shift_bases(tensors, ranges)
    scales = _channel_scales(ranges)
    tensors = tensors | fold_head(tensors)
    packed: dict[str, NDArray[Any]] = {}
    errors: Tensors = {}
    for name, sources in _with_factors(list(layer_inputs()), _factorised(scales)):
        means = [ranges[source].mean / scales[source] for source in sources] or [np.zeros(3)]
        weight = _equalise(tensors[f"{name}.weight"], [scales[source] for source in sources], scales.get(name))
        packed[f"{name}.weight"], packed[f"{name}.step"] = integers, step = quantise_weights(weight)
        errors[name] = (integers * step.reshape(-1, 1, 1, 1) - weight).sum((2, 3)) @ np.concatenate(means)
    layer_names = {name.removesuffix(".weight") for name in packed}
    for name in scales.keys() & layer_names:
        packed[f"{name}.bias"] = _round_bias(tensors[f"{name}.bias"] / scales[name] - errors[name])
    for variant, name in HEAD_BIAS.items():
        error = np.sum([errors[side].sum() for _, side in head_layers(variant)])
        packed[f"{name}.bias"] = _round_bias(tensors[f"{name}.bias"] - error)
    return QuantisedWeights(packed)


def _factorised(names: Iterable[str]) -> list[str]:
    """The convolutions that were factorised, among the ``names`` of tensors or activations."""
    return [layer.name for layer in convolutions(U2NETP) if basis_name(layer.name) in names]


def _shift_bases(tensors: Tensors, ranges: Mapping[str, Range]) -> tuple[Tensors, dict[str, Range]]:
    """Shifts the output of each first factor, which has no ReLU, to start at zero like all other activations."""
    tensors, shifted = dict(tensors), dict(ranges)
    for name in _factorised(ranges):
        basis, restored = basis_name(name), restored_name(name)
        low, high, mean = ranges[basis]
        tensors[f"{basis}.bias"] = tensors[f"{basis}.bias"] - low
        tensors[f"{restored}.bias"] = tensors[f"{restored}.bias"] + tensors[f"{restored}.weight"][..., 0, 0] @ low
        shifted[basis] = Range(low - low, high - low, mean - low)
    return tensors, shifted


def _channel_scales(ranges: Mapping[str, Range]) -> Tensors:
    """The divisor of each channel of each activation; those that a stage adds up have the same.

    Three digits, so that it does not depend on how a processor rounds; 1 for channels that are always zero.
    """
    scales = {name: np.array([float(f"{value:.3g}") or 1.0 for value in ranges[name].high]) for name in ranges}
    for stage in U2NETP.stages:
        first, *_, last = stage_layers(stage)
        scales[first.name] = scales[last.name] = scales[stage.name]
    return scales | {restored_name(name): scales[name] for name in _factorised(scales)}


def _with_factors(layers: list[tuple[str, list[str]]], factorised: list[str]) -> list[tuple[str, list[str]]]:
    """The ``layers`` of layer_inputs, and the factors of each of ``factorised``."""
    inputs = dict(layers)
    bases = [(basis_name(name), inputs[name]) for name in factorised]
    return [*layers, *bases, *((restored_name(name), [basis_name(name)]) for name in factorised)]


def _equalise(weight: Array, inputs: list[Array], output: Array | None) -> Array:
    """The weights [out, in, k, k] for inputs and outputs divided by their scales; ``inputs`` are concatenated."""
    scale = np.concatenate(inputs) if inputs else np.ones(weight.shape[1])
    divisor = np.ones(weight.shape[0]) if output is None else output
    return np.asarray(weight * scale.reshape(1, -1, 1, 1) / divisor.reshape(-1, 1, 1, 1))


def quantise_weights(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """int8 weights, and the step of each output channel: the smallest with which no sum is too large."""
    step = np.maximum(np.abs(weight).max((1, 2, 3)), 1e-9) / 127
    while True:
        integers = np.rint(weight / step.astype(np.float32).reshape(-1, 1, 1, 1)).astype(np.int8)
        excess = np.maximum(1, np.maximum(_largest_pairs(integers) / _LARGEST_PAIR, _sums(integers) / LARGEST_SUM))
        if (excess == 1).all():
            return integers, step.astype(np.float32)
        step *= excess


def _largest_pairs(integers: NDArray[np.int8]) -> NDArray[np.int64]:
    """For each output channel, the largest sum of two weights of one sign for neighbouring input channels."""
    outputs, inputs, *kernel = integers.shape
    padded = np.pad(integers.astype(np.int64), ((0, 0), (0, inputs % 2), (0, 0), (0, 0)))
    pairs = padded.reshape(outputs, -1, 2, *kernel)
    sums = [np.maximum(sign * pairs, 0).sum(2).max((1, 2, 3)) for sign in (1, -1)]
    return np.asarray(np.maximum(*sums))


def _sums(integers: NDArray[np.int8]) -> NDArray[np.int64]:
    """For each output channel, the larger of the sums of its positive and of its negative weights."""
    of_one_sign = [np.maximum(sign * integers.astype(np.int64), 0).sum((1, 2, 3)) for sign in (1, -1)]
    return np.asarray(np.maximum(*of_one_sign))


def _round_bias(values: Array) -> Array:
    """Five decimals, so that it does not depend on how a processor rounds."""
    return np.atleast_1d(np.round(values, 5)).astype(np.float32)
