"""The folded head as nodes of an OpenVINO graph; see streamseg.network.head."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fuse", "shifts", "upsampling"]

Array = NDArray[np.float32]


def shifts() -> Array:
    """The kernel [1, 9, 3, 3] that shifts each plane by its tap and sums them."""
    return np.eye(9, dtype=np.float32).reshape(1, 9, 3, 3)


def upsampling(source: int, target: int) -> Array:
    """The matrix [target, source] of torch's bilinear interpolation: half-pixel centres, edges repeated."""
    centres = ((np.arange(target) + 0.5) * source / target - 0.5).clip(0, source - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(np.arange(source) - centres[:, None])), np.float32)


def fuse(ops: Any, sides: list[Any], bias: Any, size: int) -> Any:
    """The logits [batch, 1, size, size]: side outputs [batch, 1, n, n] upsampled to ``size`` and summed, and ``bias``.

    All are nodes of an OpenVINO graph; ``ops`` is its opset.
    """
    full_size = [side for side in sides if _size(side) == size]
    smaller = [side for side in sides if _size(side) != size]
    matrices = [upsampling(_size(side), size) for side in smaller]
    rows = [ops.matmul(side, ops.constant(m), False, True) for side, m in zip(smaller, matrices, strict=True)]
    stacked = ops.constant(np.concatenate(matrices, axis=1)[None, None])
    logits = ops.matmul(stacked, ops.concat(rows, axis=2), False, False)
    for side in full_size:
        logits = ops.add(side, logits)
    return ops.add(logits, bias)


def _size(node: Any) -> int:
    return int(node.get_output_shape(0)[2])
