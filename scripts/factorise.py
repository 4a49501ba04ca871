"""Makes the network that is then quantised: U²-Net†, with factors of the costliest convolutions of its lite variant.

    python scripts/factorise.py DUTS-TR/images factorised.safetensors

The images must come from the set the network was trained on (DUTS-TR), never from one it is scored on.

- *Absorption* (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section
  4.1.3). One channel of stage 2d stays between 226 and 228 for every image; biases of up to 1361 cancel it in the next
  convolution. 226 is moved into those biases. (At the outermost pixels, where the network pads with zeros, the result
  differs a little; on the images measured it is as good.)
- *Factorisation* (Zhang et al., "Accelerating Very Deep Convolutional Networks for Classification and Detection", 2016,
  sections 3.1 to 3.3). The outputs of a convolution lie close to a subspace of fewer dimensions. It becomes a
  convolution to as few channels and a 1×1 convolution of these, by reduced-rank regression: from its inputs, with the
  convolutions before it factorised already, to its outputs in the original network, and only as far as its ReLU passes
  them. Positions and channels are weighted by their importance for the saliency map: the mean square of its gradient
  (as in LeCun et al., "Optimal Brain Damage", 1989), so that what the network is uncertain about is preserved best.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from calibration import SIZE, empty_inputs, published_input, read_rgb, video_input
from numpy.typing import NDArray
from safetensors.numpy import save_file

from streamseg.device.cpu.openvino.graph import GraphBuilder
from streamseg.device.cpu.quantised import basis_name, restored_name
from streamseg.network.architecture import U2NETP, Convolution, convolutions
from streamseg.network.head import fold_head
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.u2net import from_folded
from streamseg.network.weights import load_weights

Array = NDArray[np.float32]
Tensors = dict[str, Array]

# Producer and consumer of the constant channel, its index and its value.
CONSTANT = ("stage2d.rebnconv2d.conv_s1", "stage2d.rebnconv1d.conv_s1", 14, np.float32(226))
# The convolutions that save the most time for the least error; multiples of 8, which processors compute at once.
RANKS = {
    "stage1.rebnconv1d.conv_s1": 32,
    "stage2d.rebnconvin.conv_s1": 48,
    "stage2d.rebnconv1d.conv_s1": 32,
}
# Every third image is used in full; of the others, so many are cropped, and so many held back.
FULL_EVERY, CROPS, HELD_BACK = 3, 80, 20
POSITIONS, ROUNDS = 1200, 12
# How much the regression keeps to the original weights, as a share of the mean variance of an input.
RIDGE = 1e-4


def calibration_inputs(folder: Path, rng: np.random.Generator) -> tuple[list[Array], list[Array]]:
    """The inputs to fit, and inputs that are held back to measure the result on.

    To fit: full images normalised as published, crops of others normalised as frames are, and empty images.
    """
    paths = sorted(folder.iterdir())
    full, others = paths[::FULL_EVERY], np.array([path for k, path in enumerate(paths) if k % FULL_EVERY])
    held_back, cropped = np.split(rng.permutation(others)[: CROPS + HELD_BACK], [HELD_BACK])
    crops = [video_input(random_crop(read_rgb(path), rng)) for path in cropped]
    held_back_crops = [video_input(random_crop(read_rgb(path), rng)) for path in held_back[1::2]]
    to_measure = [*map(published_input, held_back[::2]), *held_back_crops]
    return [*map(published_input, full), *crops, *empty_inputs()[::2]], to_measure


def random_crop(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half or more of either side, flipped or not, sometimes darker, sometimes noisy."""
    rows, columns = (rng.uniform(0.5, 1, 2) * rgb.shape[:2]).astype(int)
    top, left = rng.integers(rgb.shape[0] - rows + 1), rng.integers(rgb.shape[1] - columns + 1)
    brightness = rng.uniform(0.4, 1.1) if rng.random() < 0.4 else 1.0
    noise = rng.uniform(2, 12) if rng.random() < 0.2 else 0.0
    crop = brightness * rgb[top : top + rows, left : left + columns][:, :: rng.choice([1, -1])]
    return np.clip(crop + rng.normal(0, noise, crop.shape), 0, 255).astype(np.uint8)


def absorb(tensors: Tensors) -> Tensors:
    """Subtracts the constant from its channel and from the biases that cancel it."""
    producer, consumer, channel, value = CONSTANT
    biases = {f"{name}.bias": tensors[f"{name}.bias"].astype(np.float64) for name in (producer, consumer)}
    biases[f"{producer}.bias"][channel] -= value
    biases[f"{consumer}.bias"] += value * tensors[f"{consumer}.weight"][:, channel].astype(np.float64).sum((1, 2))
    return tensors | {name: values.astype(np.float32) for name, values in biases.items()}


def factorise(tensors: Tensors, inputs: list[Array], rng: np.random.Generator) -> Tensors:
    """The tensors, and those of the two factors of each of :data:`RANKS`, see basis_name and restored_name."""
    original, result = dict(tensors), dict(tensors)
    weights = measure_importance(original, inputs)
    for layer in convolutions(U2NETP):
        if layer.name not in RANKS:
            continue
        samples = draw_samples(result, original, layer, inputs, weights[layer.name].positions, rng)
        rank, channels = RANKS[layer.name], weights[layer.name].channels
        basis, restored, bias = reduced_rank_regression(samples, channels, rank, original[f"{layer.name}.weight"])
        result[f"{basis_name(layer.name)}.weight"] = basis.reshape(-1, layer.in_channels, 3, 3).astype(np.float32)
        result[f"{basis_name(layer.name)}.bias"] = np.zeros(len(basis), np.float32)
        result[f"{restored_name(layer.name)}.weight"] = restored[..., None, None].astype(np.float32)
        result[f"{restored_name(layer.name)}.bias"] = bias.astype(np.float32)
    return result


class Importance(NamedTuple):
    """How much the saliency map depends on the outputs of a convolution; 1 on average.

    Attributes:
        positions: of each input, float32 [rows, columns].
        channels: float32 [out].
    """

    positions: list[Array]
    channels: Array


def measure_importance(tensors: Tensors, inputs: list[Array]) -> dict[str, Importance]:
    """Of the convolutions of :data:`RANKS`: squared gradient of a random sum over the maps of both variants."""
    model = from_folded(U2NETP, tensors).requires_grad_(False)
    torch.manual_seed(0)
    outputs: dict[str, torch.Tensor] = {}
    for name in RANKS:
        model.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: outputs.update({name: y}))
    positions: dict[str, list[torch.Tensor]] = {name: [] for name in RANKS}
    channels = {name: torch.zeros(()) for name in RANKS}
    for image in inputs:
        full, _, lite, *_ = model.logits(torch.from_numpy(image).requires_grad_())
        total = sum((torch.sigmoid(logits) * torch.randn(logits.shape)).sum() for logits in (full, lite))
        gradients = torch.autograd.grad(total, [outputs[name] for name in RANKS])
        for name, gradient in zip(RANKS, gradients, strict=True):
            square = (gradient[0] * (outputs[name][0] > 0)).square()  # only what the ReLU after it passes
            positions[name].append(square.sum(0))
            channels[name] = channels[name] + square.sum((1, 2))
    return {name: Importance(_relative(positions[name]), _relative([channels[name]])[0]) for name in RANKS}


def _relative(values: list[torch.Tensor]) -> list[Array]:
    """1 on average, clipped to [1/20, 20]."""
    mean = torch.stack([value.mean() for value in values]).mean()
    return [(value / mean).clamp(0.05, 20).numpy() for value in values]


class Samples(NamedTuple):
    """A convolution at some positions of all inputs.

    Attributes:
        patches: the 3×3 pixels that it now reads, float32 [n, 9·in].
        outputs: its outputs in the original network, float32 [n, out].
        importance: of each position, float32 [n].
    """

    patches: Array
    outputs: Array
    importance: Array


def draw_samples(
    current: Tensors,
    original: Tensors,
    layer: Convolution,
    inputs: list[Array],
    importance: list[Array],
    rng: np.random.Generator,
) -> Samples:
    """Samples at random positions, for each input up to :data:`POSITIONS`."""
    inputs_of, outputs_of = probe(current, layer.name, "input"), probe(original, layer.name, "output")
    drawn = []
    for image, weights in zip(inputs, importance, strict=True):
        maps, outputs = inputs_of(image), outputs_of(image)
        positions = rng.choice(weights.size, min(POSITIONS, weights.size), replace=False)
        patches = np.stack(list(_patches(maps, *np.divmod(positions, maps.shape[2]))), axis=2)
        outputs = outputs.reshape(len(outputs), -1)[:, positions].T
        drawn.append(Samples(patches.reshape(len(positions), -1), outputs, weights.reshape(-1)[positions]))
    return Samples(*(np.concatenate(column) for column in zip(*drawn, strict=True)))


def _patches(maps: Array, y: NDArray[np.intp], x: NDArray[np.intp]) -> Iterator[Array]:
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    for down in range(3):
        yield from (padded[:, y + down, x + across].T for across in range(3))


def probe(tensors: Tensors, name: str, end: str) -> Any:
    """A function from the network's input to a convolution's "input" or "output": float32 [channels, rows, columns]."""
    model = lite_model(tensors)
    (node,) = (op for op in model.get_ops() if op.get_friendly_name() == name)
    read = node.input_value(0).get_node().input_value(0) if end == "input" else node.output(0)
    openvino = import_openvino()
    return inference(openvino.Model([openvino.opset13.result(read)], model.get_parameters(), "probe"))


def lite_model(tensors: Tensors) -> Any:
    return GraphBuilder(U2NETP, tensors | fold_head(tensors), "lite").build(SIZE, 1, normalised=True)


def inference(model: Any) -> Any:
    """A function from an input of the model to its only output, without the batch axis."""
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    request = import_openvino().Core().compile_model(model, "CPU", options).create_infer_request()
    return lambda image: request.infer([image])[0][0].copy()


def reduced_rank_regression(samples: Samples, channels: Array, rank: int, weight: Array) -> tuple[Array, Array, Array]:
    """The factors of a convolution whose outputs match the sampled ones where these are above zero.

    Where they are below, anything below will do: the target there is the output of the last round (Zhang et al.,
    section 3.3, solved in turns).

    Args:
        channels: importance of each output channel, float32 [out].
        weight: of the original convolution.

    Returns:
        Basis [rank, 9·in], weight [out, rank] and bias [out].
    """
    patches, outputs, importance = samples
    share, scale = importance / importance.sum(), np.sqrt(channels)
    mean = share @ patches
    centred = patches - mean
    weighted = centred * share[:, None]
    covariance = (weighted.T @ centred).astype(np.float64)
    ridge = RIDGE * np.trace(covariance) / len(covariance)
    solution, target = scale[:, None] * weight.reshape(len(weight), -1).astype(np.float64), outputs
    for _ in range(ROUNDS + 1):
        offset = share @ target
        products = (((target - offset) * scale).T @ weighted).astype(np.float64)
        solution = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), (products + ridge * solution).T).T
        directions = np.linalg.eigh(solution @ covariance @ solution.T)[1][:, : -rank - 1 : -1]
        basis, restored = directions.T @ solution, directions / scale[:, None]
        bias = offset - restored @ (basis @ mean)
        fitted = (patches @ basis.T.astype(np.float32)) @ restored.T.astype(np.float32) + bias.astype(np.float32)
        target = np.where(outputs > 0, outputs, np.minimum(fitted, 0))
    return basis, restored, bias


def mean_difference(tensors: Tensors, original: Tensors, inputs: list[Array]) -> float:
    """Mean absolute difference of the saliency maps."""
    now, before = (inference(lite_model(each)) for each in (tensors, original))
    return float(np.mean([np.abs(now(image) - before(image)).mean() for image in inputs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    original = absorb({name: np.asarray(values) for name, values in load_weights().tensors.items()})
    inputs, held_back = calibration_inputs(arguments.images, rng)
    tensors = factorise(original, inputs, rng)
    save_file(tensors, arguments.output)
    difference = mean_difference(tensors, original, held_back)
    print(f"mean absolute difference of the saliency maps of held-back images: {difference:.4f}")


if __name__ == "__main__":
    main()
