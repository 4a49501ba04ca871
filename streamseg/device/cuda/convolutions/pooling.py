"""Max pooling without the indices of the maxima, which torch always writes on a GPU, in 64 bits each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

__all__ = ["MaxPooling", "max_pool"]


def max_pool(x: Tensor) -> Tensor:
    """The maximum of each block of 2×2 pixels; an odd last row or column makes blocks of its own."""
    return F.max_pool2d(x, 2, 2, ceil_mode=True)


class MaxPooling:
    """``max_pool`` by a kernel of our own, for what a ReLU has left: no number is negative.

    Args:
        launch: of the platform.
    """

    def __init__(self, launch: Callable[..., Any]) -> None:
        self._launch = launch

    def __call__(self, x: Tensor) -> Tensor:
        """The same as max_pool, float16 channels last; other tensors are left to torch."""
        count, channels, rows, columns = x.shape
        half_precision = x.dtype == torch.float16 and channels % 2 == 0
        if not half_precision or not x.is_contiguous(memory_format=torch.channels_last):
            return max_pool(x)
        down, across = -(-rows // 2), -(-columns // 2)
        out = torch.empty((count, down, across, channels), dtype=x.dtype, device=x.device)
        pairs = channels // 2
        image = x.permute(0, 2, 3, 1)
        self._launch("max_pool", (across * pairs, count * down), image, rows, columns, pairs, count, out)
        return out.permute(0, 3, 1, 2)
