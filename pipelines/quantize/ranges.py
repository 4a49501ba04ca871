"""Ranges of activations over the calibration's inputs, and which convolutions read which activations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.openvino.core import shared_core
from streamseg.device.cpu.openvino.graph import GraphBuilder
from streamseg.network.architecture import U2NETP, Stage, Variant, convolutions, stage_layers
from streamseg.network.head import fold_head, head_layers
from streamseg.network.quantised import basis_name
from streamseg.network.quiet_openvino import import_openvino

__all__ = ["Range", "Tensors", "layer_inputs", "measure_ranges", "model_of", "models_by_size"]

Array = NDArray[np.float32]
Tensors = dict[str, Array]
Model = Any  # openvino.Model; OpenVINO ships no typing marker


class Range(NamedTuple):
    """Of each channel of an activation, float32 [channels]."""

    low: Array
    high: Array
    mean: Array


def measure_ranges(tensors: Tensors, inputs: Iterable[Array], variants: Sequence[Variant]) -> dict[str, Range]:
    """The range of each activation over inputs of any sizes, by name; of several variants, as in the last with it."""
    probes = {variant: models_by_size(lambda size, of=variant: _probe(tensors, size, of)) for variant in variants}
    names: dict[Variant, list[str]] = {
        variant: list(_activations(model_of(tensors, 32, variant))) for variant in variants
    }
    runs: dict[Variant, list[list[Array]]] = {variant: [] for variant in variants}
    for image in inputs:
        for variant, probe in probes.items():
            runs[variant].append([np.array(values) for values in probe(image).values()])
    ranges: dict[str, Range] = {}
    over_inputs = (np.min, np.max, np.mean)
    for variant in variants:
        columns = [over_inputs[k % 3](values, axis=0) for k, values in enumerate(zip(*runs[variant], strict=True))]
        ranges |= {name: Range(*columns[3 * k : 3 * k + 3]) for k, name in enumerate(names[variant])}
    return ranges


def model_of(tensors: Tensors, size: int, variant: Variant) -> Model:
    """The network in float32, of normalised inputs [1, 3, size, size], as an ``openvino.Model``."""
    return GraphBuilder(U2NETP, tensors | fold_head(tensors), variant).build(size, 1, normalised=True)


def models_by_size(make: Any) -> Any:
    """A function from an input to the outputs of a model, which ``make`` makes for each size of the input."""
    compiled: dict[int, Any] = {}

    def run(image: Array) -> Any:
        size = image.shape[-1]
        if size not in compiled:
            compiled[size] = shared_core().compile_model(make(size), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return compiled[size]([image])

    return run


def _probe(tensors: Tensors, size: int, variant: Variant) -> Model:
    """A model that gives minimum, maximum and mean of each channel of each activation."""
    openvino = import_openvino()
    ops, model = openvino.opset13, model_of(tensors, size, variant)
    axes = np.array([0, 2, 3], np.int64)
    reductions = (ops.reduce_min, ops.reduce_max, ops.reduce_mean)
    nodes = [reduce(node, axes, False) for node in _activations(model).values() for reduce in reductions]
    return openvino.Model(nodes, model.get_parameters(), "probe")


def _activations(model: Model) -> dict[str, Any]:
    """What is quantised: outputs of ReLUs, of the first factors, and of stages, as nodes by name."""
    nodes = {op.get_friendly_name(): op for op in model.get_ops()}
    found = {}
    for layer in convolutions(U2NETP):
        for name, node in ((layer.name, f"{layer.name}.relu"), (basis_name(layer.name), basis_name(layer.name))):
            if node in nodes:
                found[name] = nodes[node]
    return found | {stage.name: nodes[stage.name] for stage in U2NETP.stages if stage.name in nodes}


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
