"""Folded convolutions taken apart again, so that an optimiser can work on them.

In folded weights the scales of layers and channels differ by orders of magnitude, which the equal steps of Adam wreck.
Here each convolution is written as a direction of unit norm per output channel (weight normalisation: Salimans and
Kingma 2016) and a batch norm whose statistics, measured once on some images, stay as they are. The maps are the
same as before, and so is the work: scale and shift go into the weights before each convolution, not into its output.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor, nn

from streamseg.network.architecture import BATCH_NORM_EPSILON
from streamseg.network.u2net import REBNCONV, U2Net

__all__ = ["NormalisedConvolution", "Statistics", "measure", "normalised"]

# A mean this many times the deviation is what 16 bits would round away: such convolutions stay in float32.
_TOO_FAR_FROM_ZERO = 8.0
_TINY = 1e-12


class Statistics(NamedTuple):
    """Of a convolution's output before its bias, by unit weights: float32 [C] each."""

    mean: Tensor
    variance: Tensor


class NormalisedConvolution(nn.Module):
    """Convolution, batch norm with fixed statistics and ReLU, computed as one convolution and ReLU.

    Args:
        folded: the convolution whose maps it has to begin with.
        statistics: of its output.

    Attributes:
        direction: float32 [out, in, k, k], of unit norm per output channel at the beginning.
        gamma, beta: float32 [out], of the batch norm.
        precise: whether it is computed in float32 in spite of autocast.
    """

    def __init__(self, folded: nn.Conv2d, statistics: Statistics) -> None:
        super().__init__()
        weight, bias = folded.weight.detach(), folded.bias
        assert bias is not None
        norm = weight.flatten(1).norm(dim=1).clamp_min(_TINY)
        self.mean: Tensor
        self.inverse_deviation: Tensor
        self.register_buffer("mean", statistics.mean.clone())
        self.register_buffer("inverse_deviation", (statistics.variance + BATCH_NORM_EPSILON).rsqrt())
        self.direction = nn.Parameter(weight / norm[:, None, None, None])
        self.gamma = nn.Parameter(norm / self.inverse_deviation)
        self.beta = nn.Parameter(bias.detach() + norm * self.mean)
        self.padding, self.dilation = folded.padding, folded.dilation
        self.precise = bool((self.mean * self.inverse_deviation).abs().max() > _TOO_FAR_FROM_ZERO)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight [out, in, k, k] and bias [out] of the plain convolution with the same output."""
        scale = self.gamma * self.inverse_deviation
        return self.direction * scale[:, None, None, None], self.beta - self.mean * scale

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] to [B, out, H, W]."""
        weight, bias = self.folded()
        if self.precise:
            with torch.autocast(x.device.type, enabled=False):
                return F.relu_(self._convolve(x.float(), weight, bias))
        return F.relu_(self._convolve(x, weight, bias))

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(x, weight, bias, 1, self.padding, self.dilation)


@torch.no_grad()
def measure(model: U2Net, batches: Iterable[Tensor]) -> dict[str, Statistics]:
    """Statistics of each convolution of a folded network, by the name of its module.

    Args:
        model: folded, in evaluation mode.
        batches: normalised RGB, float32 [B, 3, H, W].
    """
    sums = {name: _Sums(module) for name, module in _layers(model)}
    hooks = [module.conv_s1.register_forward_hook(sums[name].add) for name, module in _layers(model)]
    for images in batches:
        model.logits(images)
    for hook in hooks:
        hook.remove()
    return {name: each.result() for name, each in sums.items()}


def normalised(model: U2Net, statistics: dict[str, Statistics]) -> U2Net:
    """The same network, its convolutions replaced by normalised ones; ``model`` itself is changed."""
    for name, module in _layers(model):
        parent, _, leaf = name.rpartition(".")
        model.get_submodule(parent).add_module(leaf, NormalisedConvolution(module.conv_s1, statistics[name]))
    return model


class _Sums:
    """Of one convolution's output over images, in float64."""

    def __init__(self, module: REBNCONV) -> None:
        weight, bias = module.conv_s1.weight, module.conv_s1.bias
        assert bias is not None
        self._norm, self._bias = weight.flatten(1).norm(dim=1).clamp_min(_TINY), bias
        self._sum = torch.zeros_like(bias, dtype=torch.float64)
        self._squares, self._count = torch.zeros_like(self._sum), 0

    def add(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        unit = (output.movedim(1, -1) - self._bias).flatten(0, -2).double() / self._norm
        self._sum += unit.sum(0)
        self._squares += unit.square().sum(0)
        self._count += len(unit)

    def result(self) -> Statistics:
        mean = self._sum / self._count
        return Statistics(mean.float(), (self._squares / self._count - mean.square()).clamp_min(0).float())


def _layers(model: U2Net) -> list[tuple[str, REBNCONV]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, REBNCONV)]
