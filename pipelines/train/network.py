"""The network in training: how it begins, how its weights are averaged, and how they are folded for use."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from streamseg.network.architecture import Architecture
from streamseg.network.u2net import REBNCONV, U2Net, fold_batch_norm, from_folded
from streamseg.network.weights import Weights

from .normalised import NormalisedConvolution, Statistics, measure, normalised

__all__ = ["Average", "from_random", "from_state", "from_weights", "weights_of"]


def from_random(net: Architecture, seed: int) -> U2Net:
    """Convolutions by Xavier's uniform rule, biases 0 (section 4.2); batch norm of the batch.

    Before a batch norm a bias changes nothing: there it is not trained, or Adam would take the noise of its gradient,
    which is 0, for a direction.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = U2Net(net)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
    return _without_idle_biases(model).train()


def _without_idle_biases(model: U2Net) -> U2Net:
    for module in model.modules():
        if isinstance(module, REBNCONV):
            assert module.conv_s1.bias is not None
            module.conv_s1.bias.requires_grad_(False)
    return model


def from_weights(weights: Weights, images: Iterable[Tensor]) -> U2Net:
    """A network with the maps of given weights, to be trained further.

    Args:
        weights: to begin with.
        images: normalised RGB, float32 [B, 3, H, W], to measure the statistics of its convolutions on.
    """
    model = from_folded(weights.architecture, weights.tensors)
    return normalised(model, measure(model, images)).train()


def from_state(net: Architecture, state: Mapping[str, Tensor]) -> U2Net:
    """The network whose ``state_dict`` is ``state``, of either kind."""
    model = _without_idle_biases(U2Net(net))
    statistics = {
        name.removesuffix(".inverse_deviation"): Statistics(state[name.replace("inverse_deviation", "mean")], values)
        for name, values in state.items()
        if name.endswith(".inverse_deviation")
    }
    if statistics:
        model = normalised(fold_batch_norm(model, in_place=True), _variances(statistics))
    model.load_state_dict(state)
    return model.train()


def _variances(statistics: dict[str, Statistics]) -> dict[str, Statistics]:
    """From inverse deviations, near enough to tell which convolutions stay in float32."""
    return {name: Statistics(mean, inverse.square().reciprocal()) for name, (mean, inverse) in statistics.items()}


class Average:
    """Exponential moving average of everything in a network that is a number, batch statistics included.

    Args:
        model: whose average it is.
        decay: in [0, 1); 0 follows the model exactly. In the first steps less is used: (1 + step) / (10 + step).
    """

    def __init__(self, model: U2Net, decay: float) -> None:
        self.model: U2Net = copy.deepcopy(model).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after ``step``, counted from 1."""
        share = 1 - min(self._decay, (1 + step) / (10 + step))
        ours = self.model.state_dict()
        for name, values in model.state_dict().items():
            if values.is_floating_point():
                ours[name].lerp_(values, share)
            else:
                ours[name].copy_(values)


@torch.no_grad()
def weights_of(model: U2Net) -> Weights:
    """Folded weights of a network in training, on the CPU; raises WeightsError where they are not finite."""
    tensors: dict[str, Tensor] = {}
    for name, module in _folded(model).named_modules():
        if isinstance(module, NormalisedConvolution):
            tensors[f"{name}.conv_s1.weight"], tensors[f"{name}.conv_s1.bias"] = module.folded()
        elif isinstance(module, nn.Conv2d):
            assert module.bias is not None
            tensors[f"{name}.weight"], tensors[f"{name}.bias"] = module.weight, module.bias
    return Weights(model.net.name, {name: values.cpu().contiguous().numpy() for name, values in tensors.items()})


def _folded(model: U2Net) -> U2Net:
    """Normalised convolutions fold themselves; batch norms, whichever kind the processes share, as plain ones."""
    if any(isinstance(module, NormalisedConvolution) for module in model.modules()):
        return model
    with torch.device("meta"):  # nothing is drawn at random only to be overwritten
        plain = U2Net(model.net)
    plain.load_state_dict(model.state_dict(), assign=True)
    return fold_batch_norm(plain, in_place=True)
