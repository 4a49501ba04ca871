"""Factors of the costliest convolutions of the lite variant: a k×k convolution to few channels, then a 1×1 one.

Zhang et al. 2016, Accelerating Very Deep Convolutional Networks for Classification and Detection, sections 3.1 to 3.3.
The outputs of a convolution lie close to a subspace of fewer dimensions. The factors are found by reduced-rank
regression: from its inputs, with the convolutions before it factorised already, to its outputs in the original network,
and only as far as its ReLU passes them. Positions and channels are weighted by their importance for the saliency map:
the mean square of its gradient (as in LeCun et al. 1989, Optimal Brain Damage), so that what the network is uncertain
about is preserved best.

Importing this module imports torch, which ``streamseg[train]`` installs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from streamseg.network.architecture import U2NETP, Convolution, convolutions
from streamseg.network.quantised import basis_name, restored_name
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.u2net import from_folded

from .ranges import Tensors, model_of, models_by_size

__all__ = [
    "RANKS",
    "Importance",
    "Samples",
    "draw_samples",
    "factorise",
    "measure_importance",
    "reduced_rank_regression",
]

Array = NDArray[np.float32]

#: The convolutions that save the most time for the least error; multiples of 8, which processors compute at once.
RANKS = {
    "stage1.rebnconv1d.conv_s1": 32,
    "stage2d.rebnconvin.conv_s1": 48,
    "stage2d.rebnconv1d.conv_s1": 32,
}
_POSITIONS, _ROUNDS = 2000, 12
# How much the regression keeps to the original weights, as a share of the mean variance of an input.
_RIDGE = 1e-4


def factorise(tensors: Tensors, inputs: Sequence[Array], ranks: Mapping[str, int] = RANKS) -> Tensors:
    """The tensors, and those of the two factors of each convolution of ``ranks``, see basis_name and restored_name.

    Args:
        tensors: of the network, float32, with batch norms folded.
        inputs: normalised, each float32 [1, 3, size, size].
        ranks: channels between the factors, by convolution.
    """
    original, result, rng = dict(tensors), dict(tensors), np.random.default_rng(0)
    weights = measure_importance(original, inputs, list(ranks))
    for layer in convolutions(U2NETP):
        if layer.name not in ranks:
            continue
        samples = draw_samples(result, original, layer, inputs, weights[layer.name].positions, rng)
        rank, channels = ranks[layer.name], weights[layer.name].channels
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


def measure_importance(tensors: Tensors, inputs: Sequence[Array], names: Sequence[str]) -> dict[str, Importance]:
    """Of the convolutions of these names: squared gradient of a random sum over the maps of both variants."""
    model = from_folded(U2NETP, tensors).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    outputs: dict[str, torch.Tensor] = {}
    for name in names:
        model.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: outputs.update({name: y}))
    positions: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    channels = {name: torch.zeros(()) for name in names}
    for image in inputs:
        full, _, lite, *_ = model.logits(torch.from_numpy(image).requires_grad_())
        random = (torch.randn(logits.shape, generator=generator) for logits in (full, lite))
        totals = [(torch.sigmoid(logits) * values).sum() for logits, values in zip((full, lite), random, strict=True)]
        gradients = torch.autograd.grad(totals, [outputs[name] for name in names])
        for name, gradient in zip(names, gradients, strict=True):
            square = (gradient[0] * (outputs[name][0] > 0)).square()  # only what the ReLU after it passes
            positions[name].append(square.sum(0))
            channels[name] = channels[name] + square.sum((1, 2))
    return {name: Importance(_relative(positions[name]), _relative([channels[name]])[0]) for name in names}


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
    inputs: Sequence[Array],
    importance: Sequence[Array],
    rng: np.random.Generator,
) -> Samples:
    """Samples at random positions, for each input up to 2000."""
    inputs_of, outputs_of = _reader(current, layer.name, "input"), _reader(original, layer.name, "output")
    drawn = []
    for image, weights in zip(inputs, importance, strict=True):
        maps, outputs = inputs_of(image), outputs_of(image)
        positions = rng.choice(weights.size, min(_POSITIONS, weights.size), replace=False)
        patches = np.stack(list(_patches(maps, *np.divmod(positions, maps.shape[2]))), axis=2)
        outputs = outputs.reshape(len(outputs), -1)[:, positions].T
        drawn.append(Samples(patches.reshape(len(positions), -1), outputs, weights.reshape(-1)[positions]))
    return Samples(*(np.concatenate(column) for column in zip(*drawn, strict=True)))


def _patches(maps: Array, y: NDArray[np.intp], x: NDArray[np.intp]) -> Iterator[Array]:
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    for down in range(3):
        yield from (padded[:, y + down, x + across].T for across in range(3))


def _reader(tensors: Tensors, name: str, end: str) -> Callable[[Array], Array]:
    """A function from the network's input to a convolution's "input" or "output": float32 [channels, rows, columns]."""

    def model(size: int) -> Any:
        whole, openvino = model_of(tensors, size, "lite"), import_openvino()
        (node,) = (op for op in whole.get_ops() if op.get_friendly_name() == name)
        read = node.input_value(0).get_node().input_value(0) if end == "input" else node.output(0)
        return openvino.Model([openvino.opset13.result(read)], whole.get_parameters(), "reader")

    run = models_by_size(model)
    return lambda image: np.array(run(image)[0][0])


def reduced_rank_regression(samples: Samples, channels: Array, rank: int, weight: Array) -> tuple[Array, Array, Array]:
    """The factors of a convolution whose outputs match the sampled ones where these are above zero.

    Where they are below, anything below will do: the target there is the output of the last round (Zhang et al.,
    section 3.3, solved in turns).

    Args:
        samples: of the convolution.
        channels: importance of each output channel, float32 [out].
        rank: channels between the factors.
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
    ridge = _RIDGE * np.trace(covariance) / len(covariance)
    solution, target = scale[:, None] * weight.reshape(len(weight), -1).astype(np.float64), outputs
    for _ in range(_ROUNDS + 1):
        offset = share @ target
        products = (((target - offset) * scale).T @ weighted).astype(np.float64)
        solution = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), (products + ridge * solution).T).T
        directions = np.linalg.eigh(solution @ covariance @ solution.T)[1][:, : -rank - 1 : -1]
        basis, restored = directions.T @ solution, directions / scale[:, None]
        bias = offset - restored @ (basis @ mean)
        fitted = (patches @ basis.T.astype(np.float32)) @ restored.T.astype(np.float32) + bias.astype(np.float32)
        target = np.where(outputs > 0, outputs, np.minimum(fitted, 0))
    return basis, restored, bias
