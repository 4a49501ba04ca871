"""The head of the network, folded: six side convolutions, their upsampling and their fusion, in few operations.

Everything after the stages is linear up to the sigmoid, so it may be done in another order with the same result:

- the 1×1 fusion scales each side's weights and biases, and what is left of it is a sum;
- a 3×3 convolution to one channel keeps vector units idle: the products of the nine taps come from one 1×1 convolution
  to nine planes, which are then shifted and summed;
- bilinear upsampling is a matrix on each side of a map. The five coarse maps, widened and stacked, are brought to full
  height and summed by one product.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COARSE_CONTRAST", "HEAD_BIAS", "fold_head", "fuse", "head_layers", "shifts", "upsampling"]

Array = NDArray[np.float32]

HEAD_BIAS = {True: "saliency", False: "saliency.coarse"}
"""Name of the bias of the fused map, with and without the finest side."""


COARSE_CONTRAST = 1.45
"""Of the logits without detail: alone, side 2 sees .17 of a subject in a black picture, and so less than .1."""


def head_layers(detail: bool) -> list[tuple[int, str]]:
    """(number of the side, name of its planes) of the sides that are fused."""
    if detail:
        return [(k, f"side{k}.planes") for k in range(1, 7)]
    return [(2, "side2.coarse.planes"), *((k, f"side{k}.planes") for k in range(3, 7))]


def fold_head(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The folded head of a network's tensors.

    Without detail, side 2 stands in for the finest one, which it was trained to equal at half the resolution.

    Returns:
        ``NAME.weight`` float32 [9, channels, 1, 1] for every NAME of :func:`head_layers`, and the two ``HEAD_BIAS``,
        each ``NAME.bias`` float32 [1].
    """
    fusion = tensors["outconv.weight"].reshape(-1)
    folded = {f"side{k}.planes.weight": fusion[k - 1] * _planes(tensors[f"side{k}.weight"]) for k in range(1, 7)}
    folded["side2.coarse.planes.weight"] = (fusion[0] + fusion[1]) * _planes(tensors["side2.weight"])
    biases = np.concatenate([tensors[f"side{k}.bias"] for k in range(1, 7)])
    for detail, name in HEAD_BIAS.items():
        sides = biases if detail else np.concatenate([biases[1:2], biases[1:]])
        folded[f"{name}.bias"] = np.asarray(tensors["outconv.bias"] + fusion @ sides, np.float32)
    return folded


def _planes(weight: Array) -> Array:
    """[1, channels, 3, 3] to [9, channels, 1, 1]: a plane per tap, row by row."""
    return np.ascontiguousarray(weight[0].transpose(1, 2, 0).reshape(9, -1, 1, 1))


def shifts() -> Array:
    """The kernel [1, 9, 3, 3] that shifts each plane by its tap and sums them."""
    return np.eye(9, dtype=np.float32).reshape(1, 9, 3, 3)


def upsampling(source: int, target: int) -> Array:
    """The matrix [target, source] of torch's bilinear: half-pixel centres, edges repeated."""
    centres = ((np.arange(target) + 0.5) * source / target - 0.5).clip(0, source - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(np.arange(source) - centres[:, None])), np.float32)


def fuse(ops: Any, sides: list[Any], bias: Any, size: int) -> Any:
    """The sum of maps [batch, 1, n, n] at ``size``, and ``bias``: nodes of an OpenVINO graph."""
    fine = [side for side in sides if _side(side) == size]
    coarse = [side for side in sides if _side(side) != size]
    matrices = [upsampling(_side(side), size) for side in coarse]
    wide = [ops.matmul(side, ops.constant(m), False, True) for side, m in zip(coarse, matrices, strict=True)]
    tall = ops.constant(np.concatenate(matrices, axis=1)[None, None])
    total = ops.matmul(tall, ops.concat(wide, axis=2), False, False)
    for side in fine:
        total = ops.add(side, total)
    return ops.add(total, bias)


def _side(node: Any) -> int:
    return int(node.get_output_shape(0)[2])
