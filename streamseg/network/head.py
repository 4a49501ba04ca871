"""The head of the network, folded: six side convolutions, their upsampling and their fusion, in fewer operations.

Everything between the stages and the sigmoid is linear, so it may be done in another order with the same result:

- the 1×1 fusion scales each side's weights and biases; what remains is a sum;
- a 3×3 convolution to one channel leaves vector units idle: one 1×1 convolution computes the products of its nine taps
  as nine planes, one per tap, which are then shifted and summed;
- bilinear upsampling is a matrix product on each axis: the five coarse maps, upsampled along rows and stacked, are
  upsampled along columns and summed by one product.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from streamseg.network.architecture import Variant

__all__ = ["HEAD_BIAS", "LITE_CONTRAST", "fold_head", "head_layers", "unfold_head"]

Array = NDArray[np.float32]

#: Tensor name of the bias of the logits; "coarse" in names of packaged tensors means the lite variant.
HEAD_BIAS: dict[Variant, str] = {"full": "saliency", "lite": "saliency.coarse"}
#: Factor on the logits of the lite variant: without it, side 2 in place of side 1 gives a black image .17; with it,
#: below .1.
LITE_CONTRAST = 1.45


def head_layers(variant: Variant) -> list[tuple[int, str]]:
    """(number, name of its tap planes) of each side output that is fused."""
    if variant == "full":
        return [(k, f"side{k}.planes") for k in range(1, 7)]
    return [(2, "side2.coarse.planes"), *((k, f"side{k}.planes") for k in range(3, 7))]


def fold_head(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Folds the head of a network.

    In the lite variant side 2 replaces side 1, whose map it was trained to predict at half the resolution.

    Args:
        tensors: of the network, float32, with batch norms folded.

    Returns:
        ``NAME.weight`` float32 [9, channels, 1, 1] for every NAME of :func:`head_layers` of both variants, and
        ``NAME.bias`` float32 [1] for both of ``HEAD_BIAS``.
    """
    fusion = tensors["outconv.weight"].reshape(-1)
    folded = {f"side{k}.planes.weight": fusion[k - 1] * _tap_planes(tensors[f"side{k}.weight"]) for k in range(1, 7)}
    folded["side2.coarse.planes.weight"] = (fusion[0] + fusion[1]) * _tap_planes(tensors["side2.weight"])
    biases = np.concatenate([tensors[f"side{k}.bias"] for k in range(1, 7)])
    for variant, name in HEAD_BIAS.items():
        sides = biases if variant == "full" else np.concatenate([biases[1:2], biases[1:]])
        folded[f"{name}.bias"] = np.asarray(tensors["outconv.bias"] + fusion @ sides, np.float32)
    return folded


def unfold_head(folded: Mapping[str, Array]) -> dict[str, Array]:
    """Tensors of a head that fold_head folds to ``folded``: weights and biases of side1 … side6 and outconv.

    The fusion's weights are 1 but for that of side 1, which follows from what the lite variant multiplies side 2 by.
    """
    side2, coarse = (folded[f"{name}.planes.weight"] for name in ("side2", "side2.coarse"))
    first = np.float32((side2 * coarse).sum() / max((side2 * side2).sum(), 1e-30) - 1)
    first = first if abs(first) > 1e-3 else np.float32(1e-3)  # what is divided by it is as small
    sides = {f"side{k}.weight": _kernel(folded[f"side{k}.planes.weight"]) for k in range(1, 7)}
    sides["side1.weight"] = sides["side1.weight"] / first
    biases = {f"side{k}.bias": np.zeros(1, np.float32) for k in range(1, 7)}
    full, lite = (folded[f"{HEAD_BIAS[variant]}.bias"] for variant in ("full", "lite"))
    biases["side1.bias"] = (full - lite) / first
    fusion = np.array([first, 1, 1, 1, 1, 1], np.float32).reshape(1, 6, 1, 1)
    return {**sides, **biases, "outconv.weight": fusion, "outconv.bias": lite}


def _kernel(planes: Array) -> Array:
    """The reverse of _tap_planes."""
    return np.ascontiguousarray(planes.reshape(3, 3, -1).transpose(2, 0, 1)[None])


def _tap_planes(weight: Array) -> Array:
    """Weights [1, channels, 3, 3] to [9, channels, 1, 1]: an output plane per tap, row by row."""
    return np.ascontiguousarray(weight[0].transpose(1, 2, 0).reshape(9, -1, 1, 1))
