"""Make the packaged 8-bit U²-Net†: post-training quantisation, calibrated on training images.

    python scripts/quantize.py DUTS-TR/images streamseg/device/cpu/u2netp-int8.safetensors

The images must come from the set the network was trained on (DUTS-TR), never from one it is scored on; flat and graded
pictures come with them. After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction"
(2019), with ranges that are measured instead of inferred:

- *Equalisation* (section 4.1). Each channel is scaled to the largest activation seen. With one range for all channels
  of a signal, the quiet ones, which are all there is in a dark or empty scene, are lost in the rounding of the loud
  ones, and a black frame gives a subject that is not there.
- *Absorption* (section 4.1.3). One channel of stage 2d stays within 226 and 228 whatever the picture; biases of up to
  1361 cancel it in the next convolution. It gives 226 to those biases. (At the outermost pixels, where the network pads
  with zeros, the result differs a little; on the images measured it is as good.)
- *Pairs that fit.* Processors without VNNI add two products, of 8-bit signals and weights of neighbouring channels,
  in 16 bits and cut what does not fit. The step of an output channel is just so large that nothing is cut, and the
  network is the same on all of them.
- *Bias correction* (section 4.2). What rounding the weights adds to each output on average is taken out of its bias.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from streamseg.device.cpu.graph import build_model
from streamseg.device.cpu.head import HEAD_BIAS, fold_head, head_layers
from streamseg.network.architecture import MEAN, STD, U2NETP, Stage, convolutions, stage_layers
from streamseg.network.published import prepare, resize
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.weights import Weights, load_weights

Array = NDArray[np.float32]
Tensors = dict[str, Array]

IMAGES, SIZE = 100, 320
GREYS = (0, 8, 16, 30, 60, 90, 128, 170, 210, 255)
RAMPS = ((0, 255), (0, 128), (128, 255), (255, 0), (30, 60))
PAIR = (2**15 - 1) // 255
CONSTANT = ("stage2d.rebnconv2d.conv_s1", "stage2d.rebnconv1d.conv_s1", 14, np.float32(226))


def calibration(folder: Path) -> list[Array]:
    """Images in the published scale, others in the stream's, and empty pictures: float32 [1, 3, 320, 320]."""
    paths = sorted(folder.iterdir())
    published = [prepare(picture(path))[None] for path in paths[::2][:IMAGES]]
    fixed = [normalised(255 * resize(picture(path) / np.float32(255), (SIZE, SIZE), True)) for path in paths[1::6]]
    return [*published, *fixed, *(normalised(flat) for flat in empty_pictures())]


def picture(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def empty_pictures() -> list[Array]:
    """Pictures with nothing in them: float32 [320, 320, 3] from 0 to 255."""
    pictures = [np.full((SIZE, SIZE, 3), grey, np.float32) for grey in GREYS]
    for low, high in RAMPS:
        ramp = np.linspace(low, high, SIZE, dtype=np.float32)
        pictures += [np.broadcast_to(side, (SIZE, SIZE, 3)) for side in (ramp[None, :, None], ramp[:, None, None])]
    return pictures


def normalised(rgb: Array) -> Array:
    """With the fixed scale of the stream."""
    mean, deviation = (np.array(values, np.float32).reshape(3, 1, 1) for values in (MEAN, STD))
    return ((rgb.transpose(2, 0, 1) / 255 - mean) / deviation)[None].astype(np.float32)


def absorb(tensors: Tensors) -> Tensors:
    """The constant channel is made small, and the biases that cancel it."""
    producer, consumer, channel, value = CONSTANT
    biases = {f"{name}.bias": tensors[f"{name}.bias"].astype(np.float64) for name in (producer, consumer)}
    biases[f"{producer}.bias"][channel] -= value
    biases[f"{consumer}.bias"] += value * tensors[f"{consumer}.weight"][:, channel].astype(np.float64).sum((1, 2))
    return tensors | {name: values.astype(np.float32) for name, values in biases.items()}


def measure(tensors: Tensors, data: list[Array]) -> dict[str, tuple[Array, Array]]:
    """For each signal (convolution with ReLU, or stage) its channels' largest value and mean: float32 [channels]."""
    openvino = import_openvino()
    ops = openvino.opset13
    model = build_model(Weights("u2netp", tensors), normalised=True)
    nodes = {op.get_friendly_name(): op for op in model.get_ops()}
    names = [*(layer.name for layer in convolutions(U2NETP) if layer.norm), *(stage.name for stage in U2NETP.stages)]
    signals = [nodes.get(f"{name}.relu") or nodes[name] for name in names]
    axes = np.array([0, 2, 3], np.int64)
    figures = [make(x, axes, False) for make in (ops.reduce_max, ops.reduce_mean) for x in signals]
    probe = openvino.Model(figures, model.get_parameters(), "probe")
    compiled = openvino.Core().compile_model(probe, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    seen = [[np.array(values) for values in compiled([image]).values()] for image in data]
    largest = [np.max([run[k] for run in seen], axis=0) for k in range(len(names))]
    means = [np.mean([run[len(names) + k] for run in seen], axis=0) for k in range(len(names))]
    return {name: (top, mean) for name, top, mean in zip(names, largest, means, strict=True)}


def ranges(figures: dict[str, tuple[Array, Array]]) -> Tensors:
    """What each channel of each signal is divided by; what a stage adds up has one range.

    Three digits, so that how a processor rounds does not show; 1 for channels that are always zero.
    """
    scales = {name: np.array([float(f"{value:.3g}") or 1.0 for value in top]) for name, (top, _) in figures.items()}
    for stage in U2NETP.stages:
        first, *_, last = stage_layers(stage)
        scales[first.name] = scales[last.name] = scales[stage.name]
    return scales


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


def quantise(tensors: Tensors, data: list[Array]) -> dict[str, NDArray[Any]]:
    """The tensors of streamseg.device.cpu.quantised.QuantisedBuilder."""
    tensors = absorb(tensors)
    figures = measure(tensors, data)
    scales = ranges(figures)
    tensors = tensors | fold_head(tensors)
    packed: dict[str, NDArray[Any]] = {}
    excess: Tensors = {}
    for name, sources in readers():
        means = [figures[source][1] / scales[source] for source in sources] or [np.zeros(3)]
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
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    tensors = {name: np.asarray(values) for name, values in load_weights().tensors.items()}
    save_file(quantise(tensors, calibration(arguments.images)), arguments.output)


if __name__ == "__main__":
    main()
