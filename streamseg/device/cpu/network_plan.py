"""The packaged network as steps of the kernels in C.

The arithmetic is that of :class:`streamseg.device.cpu.quantised.QuantisedBuilder`: signals in 256 steps, weights in
int8, sums that are exact. Without detail its dearest convolutions are not in two: here that would save nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.head import COARSE_CONTRAST, HEAD_BIAS, head_layers
from streamseg.device.cpu.packing import LANES, Packed, pack_gathered, pack_picture, pack_planes, pack_tiles
from streamseg.device.cpu.plan import (
    GATHERED,
    PICTURE,
    PLANES,
    READ,
    SUM,
    TILES,
    UPSAMPLED,
    WIDE,
    Buffer,
    Plan,
    Task,
    pixels,
)
from streamseg.device.cpu.quantised import image_levels, levels_of, quantised_tensors
from streamseg.network.architecture import MEAN, STD, U2NETP, Convolution, Stage, stage_layers

__all__ = ["NetworkPlan", "fits"]


def fits(size: int) -> bool:
    """Whether tiles fill every map that is pooled at this size of the input, as the kernels expect."""
    return size >= 64 and size % 64 == 0


class NetworkPlan(Plan):
    """The packaged U²-Net†.

    Args:
        size: side of the input in pixels, one that ``fits``.
        detail: see streamseg.device.cpu.graph.build_model.

    Raises:
        WeightsError: as for streamseg.device.cpu.quantised.quantised_model.

    Attributes:
        picture: what its first step makes of bytes, int16 [size + 2, size + 2, 4]: the levels of R, G and B, a zero,
            and a border of zeros.
        logits: what its last step makes, float32 [size, size].
        products: multiplications of a run.
    """

    def __init__(self, size: int, detail: bool) -> None:
        planner = _Planner(size, detail)
        super().__init__(planner.tasks, [planner.picture, planner.logits])
        self.picture, self.logits = self.memory(planner.picture), self.memory(planner.logits)
        self.products = sum(task.products for task in planner.tasks)


class _Planner:
    """Writes down the steps as streamseg.device.cpu.graph.GraphBuilder does its nodes."""

    def __init__(self, size: int, detail: bool) -> None:
        self.tasks: list[Task] = []
        self._tensors, self._contrast = quantised_tensors(), np.float32(1 if detail else COARSE_CONTRAST)
        table = Packed(_level_table(), *[np.zeros(0, np.float32)] * 2)
        self.picture = self._add(READ, size, [], pixels(size, 4, np.int16), packed=table)
        features = self._features(detail)
        wide = [self._wide(name, features[k], size) for k, name in head_layers(detail)]
        bias = self._tensors[f"{HEAD_BIAS[detail]}.bias"] * self._contrast
        self.logits = self._add(SUM, size, wide, Buffer((size, size), np.float32), packed=Packed(bias, bias, bias))

    def _add(self, kind: int, side: int, sources: list[Buffer], target: Buffer, **more: Any) -> Buffer:
        self.tasks.append(Task(kind, side, sources, target, **more))
        return target

    def _features(self, detail: bool) -> dict[int, Buffer]:
        """Outputs of the stages by the number of the side that reads them."""
        down: list[Buffer] = []
        source = [self.picture]
        for stage in U2NETP.encoder:
            down.append(self._stage(stage, source))
            source = [] if stage is U2NETP.encoder[-1] else [self._pooled(down[-1])]
        number = len(down)
        features = {number: down.pop()}
        for stage in U2NETP.decoder if detail else U2NETP.decoder[:-1]:
            features[number - 1] = self._stage(stage, self._joined(features[number], down.pop()))
            number -= 1
        return features

    def _stage(self, stage: Stage, source: list[Buffer]) -> Buffer:
        first, second, *layers = stage_layers(stage)
        skip = self._unit(first, source)
        down = [self._unit(second, [skip])]
        for layer in layers[: stage.height - 2]:
            down.append(self._unit(layer, [self._pooled(down[-1]) if stage.pooled else down[-1]]))
        below = self._unit(layers[stage.height - 2], [down[-1]])
        for layer in layers[stage.height - 1 :]:
            added = skip if layer is layers[-1] else None
            below = self._unit(layer, self._joined(below, down.pop()), added)
        return below

    def _unit(self, layer: Convolution, sources: list[Buffer], added: Buffer | None = None) -> Buffer:
        side = sources[0].side
        in_tiles = PICTURE if sources[0] is self.picture else TILES
        kind = in_tiles if layer.dilation == 1 and side % 4 == 0 else GATHERED
        packed, target = self._packed(kind, layer.name), pixels(side, layer.out_channels)
        more = {"outputs": layer.out_channels, "dilation": layer.dilation, "added": added}
        return self._add(kind, side, sources, target, packed=packed, **more)

    def _pooled(self, made: Buffer) -> Buffer:
        """Half as large: what makes the pixels makes these too."""
        (index,) = (k for k, task in enumerate(self.tasks) if task.target is made)
        small = pixels(made.side // 2, made.channels)
        self.tasks[index] = self.tasks[index]._replace(pooled=small)
        return small

    def _joined(self, below: Buffer, skip: Buffer) -> list[Buffer]:
        if below.side == skip.side:
            return [below, skip]
        larger = pixels(skip.side, below.channels)
        return [self._add(UPSAMPLED, skip.side, [below], larger, outputs=below.channels), skip]

    def _wide(self, name: str, feature: Buffer, size: int) -> Buffer:
        """What a side adds to the logits, as wide as these."""
        side, packed = feature.side, self._packed(PLANES, name)
        packed = packed._replace(scale=packed.scale * self._contrast)
        planes = self._add(PLANES, side, [feature], Buffer((side, side, LANES), np.float32), packed=packed)
        return self._add(WIDE, side, [planes], Buffer((side, size), np.float32), outputs=size)

    def _packed(self, kind: int, name: str) -> Packed:
        if (kind, name) not in _PACKED:
            _PACKED[kind, name] = self._pack(kind, name)
        return _PACKED[kind, name]

    def _pack(self, kind: int, name: str) -> Packed:
        if kind == PICTURE:
            return pack_picture(self._tensors, name, 255 * image_levels()[0])
        return {TILES: pack_tiles, GATHERED: pack_gathered, PLANES: pack_planes}[kind](self._tensors, name)


# Packed once for all plans: the packaged file is always the same.
_PACKED: dict[tuple[int, str], Packed] = {}


def _level_table() -> NDArray[np.int16]:
    """Levels of bytes, int16 [3, 256]."""
    normalised = (np.arange(256)[:, None] / 255 - np.array(MEAN)) / np.array(STD)
    return np.ascontiguousarray(levels_of(normalised).T)
