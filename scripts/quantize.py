"""Make the packaged 8-bit U²-Net†: post-training quantisation, calibrated on training images.

    python scripts/factorise.py DUTS-TR/images factorised.safetensors
    python scripts/quantize.py DUTS-TR/images factorised.safetensors streamseg/device/cpu/u2netp-int8.safetensors

The images must come from the set the network was trained on (DUTS-TR), never from one it is scored on; flat and graded
pictures come with them. After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction"
(2019), with ranges that are measured instead of inferred:

- *Equalisation* (section 4.1). Each channel is scaled to the largest activation seen. With one range for all channels
  of a signal, the quiet ones, which are all there is in a dark or empty scene, are lost in the rounding of the loud
  ones, and a black frame gives a subject that is not there.
- *Pairs that fit.* Processors without VNNI add two products, of 8-bit signals and weights of neighbouring channels,
  in 16 bits and cut what does not fit. The step of an output channel is just so large that nothing is cut, and the
  network is the same on all of them.
- *Bias correction* (section 4.2). What rounding the weights adds to each output on average is taken out of its bias.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from calibration import SIZE, empty_pictures, fixed, published, read
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from streamseg.device.cpu.graph import GraphBuilder, basis_name, restored_name
from streamseg.device.cpu.head import HEAD_BIAS, fold_head, head_layers
from streamseg.network.architecture import U2NETP, Stage, convolutions, stage_layers
from streamseg.network.quiet_openvino import import_openvino

Array = NDArray[np.float32]
Tensors = dict[str, Array]

IMAGES = 100
PAIR = (2**15 - 1) // 255


def pictures(folder: Path) -> list[Array]:
    """Images in the published scale, others in the stream's, and empty pictures."""
    paths = sorted(folder.iterdir())
    whole = [published(path) for path in paths[::2][:IMAGES]]
    return [*whole, *(fixed(read(path)) for path in paths[1::6]), *empty_pictures()]


class Range(NamedTuple):
    """Of each channel of a signal, float32 [channels]."""

    low: Array
    high: Array
    mean: Array


def measure(tensors: Tensors, data: list[Array]) -> dict[str, Range]:
    """The range of each signal: of convolutions with ReLU, of bases, and of stages; the fine form's where it has it."""
    coarse, fine = (_measured(tensors, data, detail) for detail in (False, True))
    return coarse | fine


def _measured(tensors: Tensors, data: list[Array], detail: bool) -> dict[str, Range]:
    openvino = import_openvino()
    ops = openvino.opset13
    model = GraphBuilder(U2NETP, tensors | fold_head(tensors), detail).build(SIZE, 1, normalised=True)
    signals = dict(signals_of(model))
    axes = np.array([0, 2, 3], np.int64)
    figures = [
        make(x, axes, False) for x in signals.values() for make in (ops.reduce_min, ops.reduce_max, ops.reduce_mean)
    ]
    probe = openvino.Model(figures, model.get_parameters(), "probe")
    compiled = openvino.Core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    seen = [[np.array(values) for values in compiled([image]).values()] for image in data]
    over = (np.min, np.max, np.mean)
    found = [over[k % 3]([run[k] for run in seen], axis=0) for k in range(len(figures))]
    return {name: Range(*found[3 * k : 3 * k + 3]) for k, name in enumerate(signals)}


def signals_of(model: Any) -> Iterator[tuple[str, Any]]:
    """(name, node) of what is rounded."""
    nodes = {op.get_friendly_name(): op for op in model.get_ops()}
    for layer in convolutions(U2NETP):
        for name, node in ((layer.name, f"{layer.name}.relu"), (basis_name(layer.name), basis_name(layer.name))):
            if node in nodes:
                yield name, nodes[node]
    yield from ((stage.name, nodes[stage.name]) for stage in U2NETP.stages if stage.name in nodes)


def factorised(names: Iterable[str]) -> list[str]:
    """The convolutions that have stand-ins."""
    return [layer.name for layer in convolutions(U2NETP) if basis_name(layer.name) in names]


def lift(tensors: Tensors, figures: dict[str, Range]) -> tuple[Tensors, dict[str, Range]]:
    """The maps of each basis, which has no ReLU, begin at zero as all other signals do."""
    tensors, figures = dict(tensors), dict(figures)
    for name in factorised(figures):
        basis, restored = basis_name(name), restored_name(name)
        low, high, mean = figures[basis]
        tensors[f"{basis}.bias"] = tensors[f"{basis}.bias"] - low
        tensors[f"{restored}.bias"] = tensors[f"{restored}.bias"] + tensors[f"{restored}.weight"][..., 0, 0] @ low
        figures[basis] = Range(low - low, high - low, mean - low)
    return tensors, figures


def ranges(figures: dict[str, Range]) -> Tensors:
    """What each channel of each signal is divided by; what a stage adds up has one range.

    Three digits, so that how a processor rounds does not show; 1 for channels that are always zero.
    """
    scales = {name: np.array([float(f"{value:.3g}") or 1.0 for value in figures[name].high]) for name in figures}
    for stage in U2NETP.stages:
        first, *_, last = stage_layers(stage)
        scales[first.name] = scales[last.name] = scales[stage.name]
    return scales | {restored_name(name): scales[name] for name in factorised(scales)}


def readers() -> Iterator[tuple[str, list[str]]]:
    """(convolution, the signals it reads, joined), for all but that of the image."""
    encoded = [stage.name for stage in U2NETP.encoder]
    sources = [[], *([name] for name in encoded[:-1])]
    coarser = encoded.pop()
    for stage in U2NETP.decoder:
        sources.append([coarser, encoded.pop()])
        coarser = stage.name
    for stage, source in zip(U2NETP.stages, sources, strict=True):
        yield from _readers_within(stage, source)
    finest_first = ["", *(f"stage{k}d" for k in range(1, 6)), "stage6"]
    yield from ((name, [finest_first[k]]) for detail in (True, False) for k, name in head_layers(detail))


def _readers_within(stage: Stage, source: list[str]) -> Iterator[tuple[str, list[str]]]:
    names = [layer.name for layer in stage_layers(stage)]
    down, up = names[: stage.height + 1], names[stage.height + 1 :]
    yield down[0], source
    yield from ((name, [before]) for before, name in pairwise(down))
    below = down.pop()
    for name in up:
        yield name, [below, down.pop()]
        below = name


def with_stand_ins(reading: list[tuple[str, list[str]]], names: list[str]) -> list[tuple[str, list[str]]]:
    """:func:`readers`, and the two convolutions for each of ``names``."""
    sources = dict(reading)
    bases = [(basis_name(name), sources[name]) for name in names]
    return [*reading, *bases, *((restored_name(name), [basis_name(name)]) for name in names)]


def quantise(tensors: Tensors, data: list[Array]) -> dict[str, NDArray[Any]]:
    """The tensors of streamseg.device.cpu.quantised.QuantisedBuilder."""
    tensors, figures = lift(tensors, measure(tensors, data))
    scales = ranges(figures)
    tensors = tensors | fold_head(tensors)
    packed: dict[str, NDArray[Any]] = {}
    excess: Tensors = {}
    for name, sources in with_stand_ins(list(readers()), factorised(scales)):
        means = [figures[source].mean / scales[source] for source in sources] or [np.zeros(3)]
        weight = equalised(tensors[f"{name}.weight"], [scales[source] for source in sources], scales.get(name))
        packed[f"{name}.weight"], packed[f"{name}.step"] = integers, step = rounded(weight)
        excess[name] = (integers * step.reshape(-1, 1, 1, 1) - weight).sum((2, 3)) @ np.concatenate(means)
    for name in scales.keys() & packed_names(packed):
        packed[f"{name}.bias"] = bias(tensors[f"{name}.bias"] / scales[name] - excess[name])
    for detail, name in HEAD_BIAS.items():
        planes = sum(excess[side].sum() for _, side in head_layers(detail))
        packed[f"{name}.bias"] = bias(tensors[f"{name}.bias"] - planes)
    return packed


def packed_names(packed: dict[str, NDArray[Any]]) -> set[str]:
    return {name.removesuffix(".weight") for name in packed}


def equalised(weight: Array, inputs: list[Array], output: Array | None) -> Array:
    """[out, in, k, k] between signals whose channels were divided by ``inputs`` (joined) and ``output``."""
    scale = np.concatenate(inputs) if inputs else np.ones(weight.shape[1])
    own = np.ones(weight.shape[0]) if output is None else output
    return np.asarray(weight * scale.reshape(1, -1, 1, 1) / own.reshape(-1, 1, 1, 1))


def rounded(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """int8 weights and the step of each output channel: the smallest whose pairs do not overflow."""
    step = np.maximum(np.abs(weight).max((1, 2, 3)), 1e-9) / 127
    while True:
        integers = np.rint(weight / step.astype(np.float32).reshape(-1, 1, 1, 1)).astype(np.int8)
        excess = np.maximum(1, largest_pairs(integers) / PAIR)
        if (excess == 1).all():
            return integers, step.astype(np.float32)
        step *= excess


def largest_pairs(integers: NDArray[np.int8]) -> NDArray[np.int64]:
    """Of each output channel, the largest sum of two weights of one sign that meet neighbouring input channels."""
    outputs, inputs, *kernel = integers.shape
    even = np.pad(integers.astype(np.int64), ((0, 0), (0, inputs % 2), (0, 0), (0, 0)))
    pairs = even.reshape(outputs, -1, 2, *kernel)
    sums = [np.maximum(sign * pairs, 0).sum(2).max((1, 2, 3)) for sign in (1, -1)]
    return np.maximum(*sums)


def bias(values: Array) -> Array:
    """Five decimals, so that how a processor rounds does not show."""
    return np.round(values, 5).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("factorised", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    save_file(quantise(load_file(arguments.factorised), pictures(arguments.images)), arguments.output)


if __name__ == "__main__":
    main()
