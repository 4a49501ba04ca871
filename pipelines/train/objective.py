"""What is minimised, and the teacher that draws maps where there are no masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from streamseg.errors import WeightsError
from streamseg.network.architecture import MEAN, STD
from streamseg.network.packaged import is_packaged
from streamseg.network.u2net import U2Net, from_folded
from streamseg.network.weights import Weights, load_weights, read_weights

__all__ = ["Teacher", "deep_supervision", "normalise", "weights_named"]


def normalise(images: Tensor) -> Tensor:
    """RGB in [0, 1], [B, 3, H, W], by the ImageNet mean and deviation, as the networks take it; channels last."""
    mean, deviation = (images.new_tensor(values)[None, :, None, None] for values in (MEAN, STD))
    return ((images - mean) / deviation).contiguous(memory_format=torch.channels_last)


def deep_supervision(logits: Sequence[Tensor], masks: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of the fused map and of the six side maps, all of weight 1 (paper, section 3.3).

    Args:
        logits: seven maps before the sigmoid, [B, 1, H, W], the fused one first.
        masks: binary or soft, float32 [B, 1, H, W] in [0, 1].

    Returns:
        The sum of all seven, and that of the fused map alone; float32 scalars.
    """
    losses = [F.binary_cross_entropy_with_logits(maps.float(), masks) for maps in logits]
    return torch.stack(losses).sum(), losses[0]


class Teacher:
    """A network whose maps stand in for masks.

    Args:
        weights: of the teacher.
        device: where it runs.
    """

    def __init__(self, weights: Weights, device: torch.device) -> None:
        self._model: U2Net = from_folded(weights.architecture, weights.tensors).to(device)

    @torch.no_grad()
    def maps(self, images: Tensor) -> Tensor:
        """float32 [B, 1, H, W] in [0, 1] of RGB, float32 [B, 3, H, W] in [0, 1]."""
        return self._model.saliency(normalise(images))


def weights_named(name: str, model: str | None = None) -> Weights:
    """The packaged weights of that name, else those of a file.

    Args:
        name: "published", "tuned" or a path.
        model: the network that they must be for, or None for either.

    Raises:
        WeightsError: the file is missing, damaged, or holds another network.
    """
    if is_packaged(name):
        return load_weights(name, model or "u2netp")
    weights = read_weights(name)
    if model is not None and weights.model != model:
        raise WeightsError(f"{name}: holds {weights.model}, but --model is {model}: give one that fits the other")
    return weights
