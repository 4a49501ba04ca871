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
        # Graphs name this memory, so a buffer that has become too small is kept.
        self._zeros: list[Tensor] = []

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
        """In one call; raises RuntimeError where cuDNN has no method for it.

        cuDNN computes relu(convolution + alpha·z + bias). ``torch.cudnn_convolution_relu`` gives it alpha 0 and, as z,
        its own output before anything is written there. A method that multiplies turns a NaN or an infinity in that
        memory into NaN. So it gets a z of zeros.
        """
        count, _, rows, columns = x.shape
        outputs, _, down, across = weight.shape
        shape = (
            count,
            rows + 2 * padding - dilation * (down - 1),
            columns + 2 * padding - dilation * (across - 1),
            outputs,
        )
        z = self._zero(shape, x).permute(0, 3, 1, 2)
        both = [1, 1], [padding, padding], [dilation, dilation]
        return torch.cudnn_convolution_add_relu(x, weight, z, 0, bias, *both, 1)

    def _zero(self, shape: tuple[int, ...], x: Tensor) -> Tensor:
        """Zeros of a shape, of the dtype and on the device of ``x``: part of one buffer for all layers."""
        count = torch.Size(shape).numel()
        for zeros in self._zeros:
            if zeros.dtype == x.dtype and zeros.numel() >= count:
                return zeros[:count].view(shape)
        self._zeros.append(torch.zeros(count, dtype=x.dtype, device=x.device))
        return self._zeros[-1].view(shape)
