"""The work of one inference by the architecture alone: multiplications, and bytes read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamseg.network.architecture import INPUT_SIZE, Architecture, Stage, Variant, stage_layers

__all__ = ["Work", "mean_work", "network_work"]


@dataclass(frozen=True, slots=True)
class Work:
    """Of one inference.

    Attributes:
        multiplications: of all convolutions of the stages and side outputs, each with an addition.
        weight_bytes: bytes of the weights, each read once.
        activation_bytes: bytes that the convolutions read and write, each its input and its output once.
    """

    multiplications: int
    weight_bytes: int
    activation_bytes: int

    def __add__(self, other: Work) -> Work:
        return Work(
            self.multiplications + other.multiplications,
            self.weight_bytes + other.weight_bytes,
            self.activation_bytes + other.activation_bytes,
        )


def mean_work(works: Sequence[Work]) -> Work:
    """The mean of one or more, rounded to integers."""
    total = sum(works, Work(0, 0, 0))
    figures = (total.multiplications, total.weight_bytes, total.activation_bytes)
    return Work(*(round(figure / len(works)) for figure in figures))


def network_work(
    net: Architecture,
    size: int = INPUT_SIZE,
    value_bytes: int = 1,
    variant: Variant = "full",
    ranks: Mapping[str, int] | None = None,
) -> Work:
    """The work of the network on a square image.

    Args:
        size: side of the input in pixels.
        value_bytes: of a weight or an activation: 1 in 8-bit integers, 4 in float32.
        variant: "lite" leaves out the last decoder stage.
        ranks: name of a convolution that is factorised into two → channels between the two.
    """
    total, ranks, full = Work(0, 0, 0), ranks or {}, variant == "full"
    side = size
    for stage in net.encoder:
        total += _stage_work(stage, side, value_bytes, ranks)
        side = _halved(side)
    for depth, stage in zip(range(4, -1, -1), net.decoder if full else net.decoder[:-1], strict=False):
        total += _stage_work(stage, _halved(size, depth), value_bytes, ranks)
    for depth, channels in list(enumerate(net.side_channels))[0 if full else 1 :]:
        total += _convolution_work(channels, 1, 3, _halved(size, depth), value_bytes)
    return total


def _stage_work(stage: Stage, side: int, value_bytes: int, ranks: Mapping[str, int]) -> Work:
    total = Work(0, 0, 0)
    layers = stage_layers(stage)
    deepest = stage.height - 2 if stage.pooled else 0
    levels = [0, *range(stage.height - 1), stage.height - 2, *range(stage.height - 2, -1, -1)]
    for layer, level in zip(layers, levels, strict=True):
        level_side = _halved(side, min(level, deepest))
        rank = ranks.get(layer.name)
        total += _convolution_work(layer.in_channels, rank or layer.out_channels, layer.kernel, level_side, value_bytes)
        if rank:
            total += _convolution_work(rank, layer.out_channels, 1, level_side, value_bytes)
    return total


def _convolution_work(inputs: int, outputs: int, kernel: int, side: int, value_bytes: int) -> Work:
    weights = inputs * outputs * kernel**2
    return Work(weights * side**2, weights * value_bytes, (inputs + outputs) * side**2 * value_bytes)


def _halved(side: int, times: int = 1) -> int:
    """``side`` after so many pooling layers, which round up."""
    for _ in range(times):
        side = -(-side // 2)
    return side
