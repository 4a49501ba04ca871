"""Convolution, bias and ReLU in one call of cuDNN."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

__all__ = ["FusedConvolutions"]

# Messages of torch and cuDNN when they have no method for a convolution of this kind.
_NO_METHOD = ("unable to find an engine", "NOT_SUPPORTED", "not supported")


class FusedConvolutions:
    """Convolution, bias and ReLU in one call of cuDNN, or in three where it has no method for that.

    A refusal is remembered: cuDNN that is asked may measure its methods, and that wait ends a capture with an error.
    Whoever captures runs the same convolutions once before, so that all refusals are known by then.
    """

    def __init__(self) -> None:
        # (input shape, weight shape, dilation, dtype) of what cuDNN has refused.
        self._refused: set[tuple[torch.Size, torch.Size, int, torch.dtype]] = set()

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
        kind = x.shape, weight.shape, dilation, x.dtype
        if kind not in self._refused:
            try:
                return self.fused(x, weight, bias, padding, dilation)
            except RuntimeError as error:
                if not any(message in str(error) for message in _NO_METHOD):
                    raise
                self._refused.add(kind)
        return F.relu_(F.conv2d(x, weight, bias, padding=padding, dilation=dilation))

    def fused(self, x: Tensor, weight: Tensor, bias: Tensor, padding: int, dilation: int) -> Tensor:
        """In one call; raises RuntimeError where cuDNN has no method for it."""
        both = [1, 1], [padding, padding], [dilation, dilation]
        return torch.cudnn_convolution_relu(x, weight, bias, *both, 1)
