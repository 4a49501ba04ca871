"""Makes the packaged 8-bit U²-Net†: post-training quantisation, calibrated on training images.

    python scripts/factorise.py DUTS-TR/images factorised.safetensors
    python scripts/quantize.py DUTS-TR/images factorised.safetensors streamseg/device/cpu/u2netp-int8.safetensors

The images must come from the set the network was trained on (DUTS-TR), never from one it is scored on; flat images and
gradients are added to them. After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction" (2019), with ranges that are measured instead of inferred:

- *Equalisation* (section 4.1). Each channel is divided by the largest activation measured. With one range for all
  channels, quiet channels, the only active ones in a dark or empty frame, would be lost in the quantisation step of
  loud ones, and a black frame would get a subject that is not there.
- *Pairs that fit.* Processors without VNNI add two products, of 8-bit activations and weights of neighbouring channels,
  in 16 bits and saturate. The step of each output channel is just large enough for no pair to saturate, so the network
  is the same on all of them.
- *Bias correction* (section 4.2). The mean error that rounded weights add to an output is subtracted from its bias.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from calibration import SIZE, empty_inputs, published_input, read_rgb, video_input
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from streamseg.device.cpu.openvino.graph import GraphBuilder
from streamseg.device.cpu.quantised import basis_name, restored_name
from streamseg.network.architecture import U2NETP, Stage, Variant, convolutions, stage_layers
from streamseg.network.head import HEAD_BIAS, fold_head, head_layers
from streamseg.network.quiet_openvino import import_openvino

Array = NDArray[np.float32]
Tensors = dict[str, Array]

PUBLISHED_IMAGES = 100
# Largest sum of two weights whose products with activations of 255 fit in 16 bits.
LARGEST_PAIR = (2**15 - 1) // 255


def calibration_inputs(folder: Path) -> list[Array]:
    """Images normalised as published, others normalised as frames are, and empty images."""
    paths = sorted(folder.iterdir())
    published = [published_input(path) for path in paths[::2][:PUBLISHED_IMAGES]]
    return [*published, *(video_input(read_rgb(path)) for path in paths[1::6]), *empty_inputs()]


class Range(NamedTuple):
    """Of each channel of an activation, float32 [channels]."""

    low: Array
    high: Array
    mean: Array


def measure_ranges(tensors: Tensors, inputs: list[Array]) -> dict[str, Range]:
    """The range of each activation of :func:`activations_of`, by name; in the full variant where it is part of that."""
    return _measure(tensors, inputs, "lite") | _measure(tensors, inputs, "full")


def _measure(tensors: Tensors, inputs: list[Array], variant: Variant) -> dict[str, Range]:
    openvino = import_openvino()
    ops = openvino.opset13
    model = GraphBuilder(U2NETP, tensors | fold_head(tensors), variant).build(SIZE, 1, normalised=True)
    activations = dict(activations_of(model))
    axes = np.array([0, 2, 3], np.int64)
    reductions = (ops.reduce_min, ops.reduce_max, ops.reduce_mean)
    nodes = [reduce(node, axes, False) for node in activations.values() for reduce in reductions]
    probe = openvino.Model(nodes, model.get_parameters(), "probe")
    compiled = openvino.Core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    runs = [[np.array(values) for values in compiled([image]).values()] for image in inputs]
    over_inputs = (np.min, np.max, np.mean)
    reduced = [over_inputs[k % 3]([run[k] for run in runs], axis=0) for k in range(len(nodes))]
    return {name: Range(*reduced[3 * k : 3 * k + 3]) for k, name in enumerate(activations)}


def activations_of(model: Any) -> Iterator[tuple[str, Any]]:
    """(name, node) of what is quantised: outputs of ReLUs, of the first factors, and of stages."""
    nodes = {op.get_friendly_name(): op for op in model.get_ops()}
    for layer in convolutions(U2NETP):
        for name, node in ((layer.name, f"{layer.name}.relu"), (basis_name(layer.name), basis_name(layer.name))):
            if node in nodes:
                yield name, nodes[node]
    yield from ((stage.name, nodes[stage.name]) for stage in U2NETP.stages if stage.name in nodes)


def factorised_layers(names: Iterable[str]) -> list[str]:
    """The convolutions that were factorised, among the ``names`` of tensors or activations."""
    return [layer.name for layer in convolutions(U2NETP) if basis_name(layer.name) in names]


def shift_bases(tensors: Tensors, ranges: dict[str, Range]) -> tuple[Tensors, dict[str, Range]]:
    """Shifts the output of each first factor, which has no ReLU, to start at zero like all other activations."""
    tensors, ranges = dict(tensors), dict(ranges)
    for name in factorised_layers(ranges):
        basis, restored = basis_name(name), restored_name(name)
        low, high, mean = ranges[basis]
        tensors[f"{basis}.bias"] = tensors[f"{basis}.bias"] - low
        tensors[f"{restored}.bias"] = tensors[f"{restored}.bias"] + tensors[f"{restored}.weight"][..., 0, 0] @ low
        ranges[basis] = Range(low - low, high - low, mean - low)
    return tensors, ranges


def channel_scales(ranges: dict[str, Range]) -> Tensors:
    """The divisor of each channel of each activation; those that a stage adds up have the same.

    Three digits, so that it does not depend on how a processor rounds; 1 for channels that are always zero.
    """
    scales = {name: np.array([float(f"{value:.3g}") or 1.0 for value in ranges[name].high]) for name in ranges}
    for stage in U2NETP.stages:
        first, *_, last = stage_layers(stage)
        scales[first.name] = scales[last.name] = scales[stage.name]
    return scales | {restored_name(name): scales[name] for name in factorised_layers(scales)}


def layer_inputs() -> Iterator[tuple[str, list[str]]]:
    """(convolution, the activations that it reads, concatenated); none for the one that reads the image."""
    encoded = [stage.name for stage in U2NETP.encoder]
    inputs = [[], *([name] for name in encoded[:-1])]
    below = encoded.pop()
    for stage in U2NETP.decoder:
        inputs.append([below, encoded.pop()])
        below = stage.name
    for stage, names in zip(U2NETP.stages, inputs, strict=True):
        yield from _layer_inputs_of(stage, names)
    side_inputs = ["", *(f"stage{k}d" for k in range(1, 6)), "stage6"]
    yield from ((name, [side_inputs[k]]) for variant in get_args(Variant) for k, name in head_layers(variant))


def _layer_inputs_of(stage: Stage, inputs: list[str]) -> Iterator[tuple[str, list[str]]]:
    names = [layer.name for layer in stage_layers(stage)]
    encoder, decoder = names[: stage.height + 1], names[stage.height + 1 :]
    yield encoder[0], inputs
    yield from ((name, [before]) for before, name in pairwise(encoder))
    below = encoder.pop()
    for name in decoder:
        yield name, [below, encoder.pop()]
        below = name


def with_factors(layers: list[tuple[str, list[str]]], factorised: list[str]) -> list[tuple[str, list[str]]]:
    """The ``layers`` of :func:`layer_inputs`, and the factors of each of ``factorised``."""
    inputs = dict(layers)
    bases = [(basis_name(name), inputs[name]) for name in factorised]
    return [*layers, *bases, *((restored_name(name), [basis_name(name)]) for name in factorised)]


def quantise(tensors: Tensors, inputs: list[Array]) -> dict[str, NDArray[Any]]:
    """The tensors of streamseg.device.cpu.quantised.quantised_tensors."""
    tensors, ranges = shift_bases(tensors, measure_ranges(tensors, inputs))
    scales = channel_scales(ranges)
    tensors = tensors | fold_head(tensors)
    packed: dict[str, NDArray[Any]] = {}
    errors: Tensors = {}
    for name, sources in with_factors(list(layer_inputs()), factorised_layers(scales)):
        means = [ranges[source].mean / scales[source] for source in sources] or [np.zeros(3)]
        weight = equalise(tensors[f"{name}.weight"], [scales[source] for source in sources], scales.get(name))
        packed[f"{name}.weight"], packed[f"{name}.step"] = integers, step = quantise_weights(weight)
        errors[name] = (integers * step.reshape(-1, 1, 1, 1) - weight).sum((2, 3)) @ np.concatenate(means)
    layer_names = {name.removesuffix(".weight") for name in packed}
    for name in scales.keys() & layer_names:
        packed[f"{name}.bias"] = round_bias(tensors[f"{name}.bias"] / scales[name] - errors[name])
    for variant, name in HEAD_BIAS.items():
        error = sum(errors[side].sum() for _, side in head_layers(variant))
        packed[f"{name}.bias"] = round_bias(tensors[f"{name}.bias"] - error)
    return packed


def equalise(weight: Array, inputs: list[Array], output: Array | None) -> Array:
    """The weights [out, in, k, k] for inputs and outputs divided by their scales; ``inputs`` are concatenated."""
    scale = np.concatenate(inputs) if inputs else np.ones(weight.shape[1])
    divisor = np.ones(weight.shape[0]) if output is None else output
    return np.asarray(weight * scale.reshape(1, -1, 1, 1) / divisor.reshape(-1, 1, 1, 1))


def quantise_weights(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """int8 weights, and the step of each output channel: the smallest with which no pair saturates."""
    step = np.maximum(np.abs(weight).max((1, 2, 3)), 1e-9) / 127
    while True:
        integers = np.rint(weight / step.astype(np.float32).reshape(-1, 1, 1, 1)).astype(np.int8)
        excess = np.maximum(1, largest_pairs(integers) / LARGEST_PAIR)
        if (excess == 1).all():
            return integers, step.astype(np.float32)
        step *= excess


def largest_pairs(integers: NDArray[np.int8]) -> NDArray[np.int64]:
    """For each output channel, the largest sum of two weights of one sign for neighbouring input channels."""
    outputs, inputs, *kernel = integers.shape
    padded = np.pad(integers.astype(np.int64), ((0, 0), (0, inputs % 2), (0, 0), (0, 0)))
    pairs = padded.reshape(outputs, -1, 2, *kernel)
    sums = [np.maximum(sign * pairs, 0).sum(2).max((1, 2, 3)) for sign in (1, -1)]
    return np.maximum(*sums)


def round_bias(values: Array) -> Array:
    """Five decimals, so that it does not depend on how a processor rounds."""
    return np.round(values, 5).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("factorised", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    save_file(quantise(load_file(arguments.factorised), calibration_inputs(arguments.images)), arguments.output)


if __name__ == "__main__":
    main()
