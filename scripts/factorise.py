"""Make the network that is quantised: U²-Net†, with stand-ins for the dearest convolutions of its coarse form.

    python scripts/factorise.py DUTS-TR/images factorised.safetensors

The images must come from the set the network was trained on (DUTS-TR), never from one it is scored on.

- *Absorption* (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, section
  4.1.3). One channel of stage 2d stays within 226 and 228 whatever the picture; biases of up to 1361 cancel it in the
  next convolution. It gives 226 to those biases. (At the outermost pixels, where the network pads with zeros, the
  result differs a little; on the images measured it is as good.)
- *Factorisation* (Zhang et al., "Accelerating Very Deep Convolutional Networks for Classification and Detection", 2016,
  sections 3.1 to 3.3). What a convolution gives lies close to a space of fewer dimensions. It becomes one to as few
  maps, and a 1×1 convolution of these, by reduced-rank regression: from what it is given where those before it have
  been factorised to what it gave in the original, and only as far as its ReLU lets through. Places and channels count
  by what the network's own map owes them: the mean square of its gradient there (as in LeCun et al., "Optimal Brain
  Damage", 1989), so that what is uncertain to the network is kept best.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from calibration import SIZE, empty_pictures, fixed, published, read
from numpy.typing import NDArray
from safetensors.numpy import save_file

from streamseg.device.cpu.graph import GraphBuilder, basis_name, restored_name
from streamseg.device.cpu.head import fold_head
from streamseg.network.architecture import U2NETP, Convolution, convolutions
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.u2net import from_folded
from streamseg.network.weights import load_weights

Array = NDArray[np.float32]
Tensors = dict[str, Array]

CONSTANT = ("stage2d.rebnconv2d.conv_s1", "stage2d.rebnconv1d.conv_s1", 14, np.float32(226))
# Those that save the most for the least that is lost; in eights, which processors compute at once.
RANKS = {
    "stage1.rebnconv1d.conv_s1": 32,
    "stage2d.rebnconvin.conv_s1": 48,
    "stage2d.rebnconv1d.conv_s1": 32,
}
EVERY, PARTS, HELD_BACK, PLACES, ROUNDS = 3, 80, 20, 1200, 12
# Of the mean variance of an input: how much the regression keeps to what it knew.
RIDGE = 1e-4


def pictures(folder: Path, rng: np.random.Generator) -> tuple[list[Array], list[Array]]:
    """Whole images in the published scale, parts of others in that of the stream, and empty pictures; and some more
    whole ones and parts, to judge by."""
    paths = sorted(folder.iterdir())
    whole, others = paths[::EVERY], np.array([path for place, path in enumerate(paths) if place % EVERY])
    judged, cut = np.split(rng.permutation(others)[: PARTS + HELD_BACK], [HELD_BACK])
    parts = [fixed(part(read(path), rng)) for path in cut]
    held_back = [*map(published, judged[::2]), *(fixed(part(read(path), rng)) for path in judged[1::2])]
    return [*map(published, whole), *parts, *empty_pictures()[::2]], held_back


def part(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half or more of either side, mirrored or not, some of them darker, some with noise."""
    rows, columns = (rng.uniform(0.5, 1, 2) * rgb.shape[:2]).astype(int)
    top, left = rng.integers(rgb.shape[0] - rows + 1), rng.integers(rgb.shape[1] - columns + 1)
    light = rng.uniform(0.4, 1.1) if rng.random() < 0.4 else 1.0
    noise = rng.uniform(2, 12) if rng.random() < 0.2 else 0.0
    seen = light * rgb[top : top + rows, left : left + columns][:, :: rng.choice([1, -1])]
    return np.clip(seen + rng.normal(0, noise, seen.shape), 0, 255).astype(np.uint8)


def absorb(tensors: Tensors) -> Tensors:
    """The constant channel is made small, and the biases that cancel it."""
    producer, consumer, channel, value = CONSTANT
    biases = {f"{name}.bias": tensors[f"{name}.bias"].astype(np.float64) for name in (producer, consumer)}
    biases[f"{producer}.bias"][channel] -= value
    biases[f"{consumer}.bias"] += value * tensors[f"{consumer}.weight"][:, channel].astype(np.float64).sum((1, 2))
    return tensors | {name: values.astype(np.float32) for name, values in biases.items()}


def factorised(tensors: Tensors, data: list[Array], rng: np.random.Generator) -> Tensors:
    """The tensors and those of two convolutions more for each of :data:`RANKS`, see basis_name and restored_name."""
    original, result = dict(tensors), dict(tensors)
    worth = importance(original, data)
    for layer in convolutions(U2NETP):
        if layer.name not in RANKS:
            continue
        sampled = samples(result, original, layer, data, worth[layer.name].places, rng)
        rank, channels = RANKS[layer.name], worth[layer.name].channels
        basis, weight, bias = reduced(sampled, channels, rank, original[f"{layer.name}.weight"])
        result[f"{basis_name(layer.name)}.weight"] = basis.reshape(-1, layer.in_channels, 3, 3).astype(np.float32)
        result[f"{basis_name(layer.name)}.bias"] = np.zeros(len(basis), np.float32)
        result[f"{restored_name(layer.name)}.weight"] = weight[..., None, None].astype(np.float32)
        result[f"{restored_name(layer.name)}.bias"] = bias.astype(np.float32)
    return result


class Worth(NamedTuple):
    """What the map owes to what a convolution gives; 1 on average.

    Attributes:
        places: of each picture, float32 [rows, columns].
        channels: float32 [out].
    """

    places: list[Array]
    channels: Array


def importance(tensors: Tensors, data: list[Array]) -> dict[str, Worth]:
    """Of the convolutions of :data:`RANKS`: the square of the gradient of a random sum over both forms of the map."""
    model = from_folded(U2NETP, tensors).requires_grad_(False)
    torch.manual_seed(0)
    given: dict[str, torch.Tensor] = {}
    for name in RANKS:
        model.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: given.update({name: y}))
    squares: dict[str, list[torch.Tensor]] = {name: [] for name in RANKS}
    channels = {name: torch.zeros(()) for name in RANKS}
    for picture in data:
        fine, _, coarse, *_ = model.logits(torch.from_numpy(picture).requires_grad_())
        total = sum((torch.sigmoid(logits) * torch.randn(logits.shape)).sum() for logits in (fine, coarse))
        gradients = torch.autograd.grad(total, [given[name] for name in RANKS])
        for name, gradient in zip(RANKS, gradients, strict=True):
            square = (gradient[0] * (given[name][0] > 0)).square()  # given is as its ReLU left it
            squares[name].append(square.sum(0))
            channels[name] = channels[name] + square.sum((1, 2))
    return {name: Worth(_shares(squares[name]), _shares([channels[name]])[0]) for name in RANKS}


def _shares(values: list[torch.Tensor]) -> list[Array]:
    """1 on average; none less than a twentieth, none more than twenty."""
    mean = torch.stack([value.mean() for value in values]).mean()
    return [(value / mean).clamp(0.05, 20).numpy() for value in values]


class Samples(NamedTuple):
    """Of a convolution, at some places of all pictures.

    Attributes:
        seen: the 3×3 that it sees now, float32 [n, 9·in].
        given: what it gave in the original, float32 [n, out].
        worth: of each place, float32 [n].
    """

    seen: Array
    given: Array
    worth: Array


def samples(
    now: Tensors, before: Tensors, layer: Convolution, data: list[Array], worth: list[Array], rng: np.random.Generator
) -> Samples:
    """Places drawn at random."""
    seen_by, given_by = probe(now, layer.name, 0), probe(before, layer.name, 1)
    parts = []
    for picture, worths in zip(data, worth, strict=True):
        maps, wanted = seen_by(picture), given_by(picture)
        places = rng.choice(worths.size, min(PLACES, worths.size), replace=False)
        around = np.stack(list(_around(maps, *np.divmod(places, maps.shape[2]))), axis=2)
        wanted = wanted.reshape(len(wanted), -1)[:, places].T
        parts.append(Samples(around.reshape(len(places), -1), wanted, worths.reshape(-1)[places]))
    return Samples(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _around(maps: Array, y: NDArray[np.intp], x: NDArray[np.intp]) -> Iterator[Array]:
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    for down in range(3):
        yield from (padded[:, y + down, x + across].T for across in range(3))


def probe(tensors: Tensors, name: str, side: int) -> Any:
    """Computes what goes into (0) or comes out of (1) a convolution: picture → [channels, rows, columns]."""
    model = coarse_model(tensors)
    (node,) = (op for op in model.get_ops() if op.get_friendly_name() == name)
    end = node.input_value(0).get_node().input_value(0) if side == 0 else node.output(0)
    openvino = import_openvino()
    return request_of(openvino.Model([openvino.opset13.result(end)], model.get_parameters(), "probe"))


def coarse_model(tensors: Tensors) -> Any:
    return GraphBuilder(U2NETP, tensors | fold_head(tensors), detail=False).build(SIZE, 1, normalised=True)


def request_of(model: Any) -> Any:
    """Computes the model's one output: picture → [channels, rows, columns]."""
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    request = import_openvino().Core().compile_model(model, "CPU", options).create_infer_request()
    return lambda picture: request.infer([picture])[0][0].copy()


def reduced(sampled: Samples, channels: Array, rank: int, weight: Array) -> tuple[Array, Array, Array]:
    """Basis [rank, 9·in], weight [out, rank] and bias [out] that give what was given as far as it is above zero.

    Where it is below, anything below will do: the target there is what the last round gave (Zhang et al., section 3.3,
    solved in turns).

    Args:
        channels: worth of each channel that is given, float32 [out].
        weight: of the convolution as it was.
    """
    seen, given, worth = sampled
    share, scale = worth / worth.sum(), np.sqrt(channels)
    mean = share @ seen
    centred = seen - mean
    shared = centred * share[:, None]
    covariance = (shared.T @ centred).astype(np.float64)
    ridge = RIDGE * np.trace(covariance) / len(covariance)
    known, target = scale[:, None] * weight.reshape(len(weight), -1).astype(np.float64), given
    for _ in range(ROUNDS + 1):
        offset = share @ target
        products = (((target - offset) * scale).T @ shared).astype(np.float64)
        known = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), (products + ridge * known).T).T
        directions = np.linalg.eigh(known @ covariance @ known.T)[1][:, : -rank - 1 : -1]
        basis, restored = directions.T @ known, directions / scale[:, None]
        bias = offset - restored @ (basis @ mean)
        reached = (seen @ basis.T.astype(np.float32)) @ restored.T.astype(np.float32) + bias.astype(np.float32)
        target = np.where(given > 0, given, np.minimum(reached, 0))
    return basis, restored, bias


def distance(tensors: Tensors, original: Tensors, data: list[Array]) -> float:
    """Mean absolute difference of the maps."""
    now, before = (request_of(coarse_model(these)) for these in (tensors, original))
    return float(np.mean([np.abs(now(picture) - before(picture)).mean() for picture in data]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    original = absorb({name: np.asarray(values) for name, values in load_weights().tensors.items()})
    data, held_back = pictures(arguments.images, rng)
    tensors = factorised(original, data, rng)
    save_file(tensors, arguments.output)
    print(f"maps of images held back differ by {distance(tensors, original, held_back):.4f} on average")


if __name__ == "__main__":
    main()
