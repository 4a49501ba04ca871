"""MediaPipe's network for selfies in torch, for the CUDA device. Importing this module imports torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from numpy.typing import NDArray
from torch import Tensor, nn

from streamseg.network.selfie import Layer, run_selfie, selfie_tensors

__all__ = ["SelfieModule"]


class SelfieModule(nn.Module):
    """From RGB in [0, 1] to how certainly each pixel belongs to a person.

    Args:
        tensors: see streamseg.network.selfie.selfie_tensors; None for the packaged ones.

    Raises:
        WeightsError: the packaged file is missing or was altered.
    """

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        super().__init__()
        for name, values in (tensors or selfie_tensors()).items():
            self.register_buffer(_buffer_name(name), torch.from_numpy(values.copy()))

    def forward(self, rgb: Tensor) -> Tensor:
        """Float [batch, 1, 256, 256] in [0, 1], of RGB in [0, 1], float [batch, 3, 256, 256]."""
        return run_selfie(self, rgb)

    def convolve(self, x: Tensor, layer: Layer) -> Tensor:
        weight, bias = (self.get_buffer(_buffer_name(f"{layer.name}.{part}")) for part in ("weight", "bias"))
        before, after = layer.padding
        if before != after:
            x = F.pad(x, (before, after, before, after))
            before = 0
        y = F.conv2d(x, weight, bias, layer.stride, before, groups=layer.in_channels if layer.depthwise else 1)
        match layer.activation:
            case "relu":
                return F.relu(y)
            case "hard_swish":
                return F.hardswish(y)
            case "sigmoid":
                return torch.sigmoid(y)
        return y

    def mean(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)

    def upsample(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def unfold(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(x, 2)


def _buffer_name(tensor: str) -> str:
    return tensor.replace(".", "_")  # torch allows no dots
