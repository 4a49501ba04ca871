"""U²-Net and U²-Net† in torch, with the authors' parameter names.

Source: Qin et al. 2020, "U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection",
sections 3.1–3.3.
Importing this module imports torch, which ``streamseg[train]`` installs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor, nn

from streamseg.network.architecture import (
    U2NETP,
    Architecture,
    Convolution,
    Stage,
    convolutions,
    stage_layers,
)

__all__ = ["REBNCONV", "RSU", "U2Net", "fold_batch_norm", "from_folded"]


class REBNCONV(nn.Module):
    """Convolution, batch norm, ReLU; [B, in, H, W] to [B, out, H, W]."""

    def __init__(self, layer: Convolution) -> None:
        super().__init__()
        self.conv_s1 = _conv(layer)
        self.bn_s1: nn.Module = nn.BatchNorm2d(layer.out_channels)
        self.relu_s1 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu_s1(self.bn_s1(self.conv_s1(x)))
        return out


class RSU(nn.Module):
    """Residual U-block, [B, in, H, W] to [B, out, H, W].

    RSU7, 6, 5 and 4 differ in height; RSU4F keeps its resolution: it neither pools nor upsamples.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.height = stage.height
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True) if stage.pooled else nn.Identity()
        for layer in stage_layers(stage):
            self.add_module(layer.name.split(".")[1], REBNCONV(layer))

    def forward(self, x: Tensor) -> Tensor:
        skip = self._layer("in", x)
        h = self._layer("1", skip)
        down = [h]
        for level in range(2, self.height):
            h = self._layer(f"{level}", self.pool(h))
            down.append(h)
        h = self._layer(f"{self.height}", h)
        for level in range(self.height - 1, 0, -1):
            h = self._layer(f"{level}d", _upsample_and_join(h, down[level - 1]))
        return h + skip

    def _layer(self, suffix: str, x: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(f"rebnconv{suffix}")(x)
        return out


class U2Net(nn.Module):
    """The nested U: from RGB, normalised by the ImageNet mean and standard deviation, to saliency.

    Args:
        net: the architecture: U²-Net† by default.
    """

    def __init__(self, net: Architecture = U2NETP) -> None:
        super().__init__()
        self.net = net
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        for stage in net.stages:
            self.add_module(stage.name, RSU(stage))
        for layer in convolutions(net):
            if layer.norm is None:
                self.add_module(layer.name, _conv(layer))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """In training mode :meth:`logits`, in evaluation mode :meth:`saliency`."""
        return self.logits(x) if self.training else self.saliency(x)

    def saliency(self, x: Tensor) -> Tensor:
        """The fused map in [0, 1], float [B, 1, H, W], of normalised RGB, float [B, 3, H, W]."""
        return torch.sigmoid(self.logits(x)[0])

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """Seven maps before the sigmoid, each float [B, 1, H, W]: the fused one, then side1 … side6.

        The authors return sigmoids and train with binary cross-entropy on them; from logits
        ``binary_cross_entropy_with_logits`` gives the same loss, does not saturate and works under autocast.
        """
        sides = [_upsample(self._call(f"side{k}", h), x) for k, h in enumerate(self._features(x), 1)]
        return self._call("outconv", torch.cat(sides, 1)), *sides

    def _features(self, x: Tensor) -> list[Tensor]:
        """Outputs of stages 1d … 5d and 6, from fine to coarse."""
        down: list[Tensor] = []
        for stage in self.net.encoder:
            down.append(self._call(stage.name, self.pool(down[-1]) if down else x))
        features = [down.pop()]
        for stage in self.net.decoder:
            features.insert(0, self._call(stage.name, _upsample_and_join(features[0], down.pop())))
        return features

    def _call(self, name: str, x: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(name)(x)
        return out


def _conv(layer: Convolution) -> nn.Conv2d:
    return nn.Conv2d(
        layer.in_channels, layer.out_channels, layer.kernel, padding=layer.padding, dilation=layer.dilation
    )


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    if x.shape[2:] == like.shape[2:]:
        return x
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def _upsample_and_join(x: Tensor, skip: Tensor) -> Tensor:
    return torch.cat((_upsample(x, skip), skip), 1)


def fold_batch_norm(model: U2Net, in_place: bool = False) -> U2Net:
    """A network in evaluation mode with every batch norm (its running statistics) folded into its convolution.

    Its ``state_dict`` holds only ``….conv_s1.weight/.bias``, ``side*`` and ``outconv``: the names in
    :class:`streamseg.network.weights.Weights`.

    Args:
        model: with batch norms.
        in_place: change ``model`` itself, though none of its tensors; a copy takes longer than the folding.
    """
    folded = (model if in_place else copy.deepcopy(model)).eval()
    for module in folded.modules():
        if isinstance(module, REBNCONV) and isinstance(module.bn_s1, nn.BatchNorm2d):
            conv, norm = module.conv_s1, module.bn_s1
            assert norm.running_mean is not None and norm.running_var is not None
            conv.weight, conv.bias = nn.utils.fuse_conv_bn_weights(
                conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            module.bn_s1 = nn.Identity()
    return folded


def from_folded(net: Architecture, tensors: Mapping[str, np.ndarray]) -> U2Net:
    """A folded network in evaluation mode from the tensors of :class:`streamseg.network.weights.Weights`."""
    with torch.device("meta"):  # no random initialisation that would be overwritten
        model = U2Net(net).eval()
    for module in model.modules():
        if isinstance(module, REBNCONV):
            module.bn_s1 = nn.Identity()  # arithmetic on meta tensors would import torch's compiler: seconds
    state = {name: torch.from_numpy(values.copy()) for name, values in tensors.items()}
    model.load_state_dict(state, assign=True)
    return model
