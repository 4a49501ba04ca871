"""U²-Net† in 8-bit integers as steps of the kernels in C.

The arithmetic is that of :class:`streamseg.device.cpu.openvino.quantised_graph.QuantisedBuilder`: activations in 256
steps, weights in int8, exact sums. The lite variant uses the whole convolutions, not their factors: here factors would
save nothing.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.integer.packing import (
    LANES,
    PackedWeights,
    pack_im2col,
    pack_matrix_tiles,
    pack_matrix_tiles_image,
    pack_tap_planes,
    pack_winograd,
    pack_winograd_image,
)
from streamseg.device.cpu.integer.plan import (
    Buffer,
    Instructions,
    Plan,
    Step,
    StepKind,
    feature_map,
    supported_instructions,
)
from streamseg.network.architecture import MEAN, STD, U2NETP, Convolution, Stage, Variant, stage_layers
from streamseg.network.head import HEAD_BIAS, LITE_CONTRAST, head_layers
from streamseg.network.quantised import QuantisedWeights, image_levels, levels_of

__all__ = ["NetworkPlan", "size_fits"]


def size_fits(size: int) -> bool:
    """Whether the sides of all maps that are pooled are even at this size of the input, as the kernels expect."""
    return size >= 64 and size % 32 == 0


class NetworkPlan(Plan):
    """U²-Net† in 8-bit integers.

    Args:
        weights: of the network.
        size: side of the input in pixels, for which :func:`size_fits`.
        variant: of the network.
        instructions: see Plan.

    Raises:
        RuntimeError: see Plan.
        WeightsError: sums of a convolution might exceed 32 bits.

    Attributes:
        logits: output of the last step, float32 [size, size].
        multiplications: of a run.
    """

    def __init__(
        self, weights: QuantisedWeights, size: int, variant: Variant, instructions: Instructions | None = None
    ) -> None:
        instructions = supported_instructions()[-1] if instructions is None else instructions
        planner = _Planner(weights, size, variant, instructions == Instructions.AMX)
        super().__init__(planner.steps, [planner.image, planner.logits], instructions)
        self._image, self.logits = self.array(planner.image), self.array(planner.logits)
        self.set_levels(np.zeros((size, size, 3), np.int16))
        self.multiplications = sum(step.multiplications for step in planner.steps)

    def set_levels(self, levels: NDArray[np.int16]) -> None:
        """Sets the output of the first step: the levels of R, G and B, int16 [size, size, 3]."""
        if self._image.dtype == np.int16:
            self._image[1:-1, 1:-1, :3] = levels
        else:
            above = np.pad(levels, ((1, 1), (1, 1), (0, 0))) + 255
            self._image[..., :3], self._image[..., 3:6] = above // 2, above - above // 2


class _Planner:
    """Lists the steps, in the way in which streamseg.device.cpu.openvino.graph.GraphBuilder makes its nodes."""

    def __init__(self, weights: QuantisedWeights, size: int, variant: Variant, matrix_tiles: bool) -> None:
        self.steps: list[Step] = []
        self._matrix_tiles = matrix_tiles
        self._tensors, self._contrast = weights.tensors, np.float32(1 if variant == "full" else LITE_CONTRAST)
        self._of_weights = _PACKED.setdefault(weights, {})
        table = PackedWeights(_level_table(), *[np.zeros(0, np.float32)] * 2)
        self.image = self._add(*self._image_step(size), packed=table)
        features = self._features(variant)
        sides = [self._side(name, features[k], size) for k, name in head_layers(variant)]
        bias = self._tensors[f"{HEAD_BIAS[variant]}.bias"] * self._contrast
        logits = Buffer((size, size), np.float32)
        self.logits = self._add(StepKind.SUM_SIDES, size, sides, logits, packed=PackedWeights(bias, bias, bias))

    def _add(self, kind: StepKind, side: int, inputs: list[Buffer], output: Buffer, **more: Any) -> Buffer:
        self.steps.append(Step(kind, side, inputs, output, **more))
        return output

    def _image_step(self, size: int) -> tuple[StepKind, int, list[Buffer], Buffer]:
        if self._matrix_tiles:
            return StepKind.LOAD_HALVES, size, [], feature_map(size, 8)
        return StepKind.LOAD_IMAGE, size, [], feature_map(size, 4, np.int16)

    def _features(self, variant: Variant) -> dict[int, Buffer]:
        """Outputs of the stages by the number of the side output that reads them."""
        skips: list[Buffer] = []
        inputs = [self.image]
        for stage in U2NETP.encoder:
            skips.append(self._stage(stage, inputs))
            inputs = [] if stage is U2NETP.encoder[-1] else [self._pool(skips[-1])]
        number = len(skips)
        features = {number: skips.pop()}
        for stage in U2NETP.decoder if variant == "full" else U2NETP.decoder[:-1]:
            features[number - 1] = self._stage(stage, self._upsample_and_join(features[number], skips.pop()))
            number -= 1
        return features

    def _stage(self, stage: Stage, inputs: list[Buffer]) -> Buffer:
        """One RSU: its encoder, its decoder with skip connections, and the residual."""
        first, second, *layers = stage_layers(stage)
        residual = self._unit(first, inputs)
        skips = [self._unit(second, [residual])]
        for layer in layers[: stage.height - 2]:
            skips.append(self._unit(layer, [self._pool(skips[-1]) if stage.pooled else skips[-1]]))
        h = self._unit(layers[stage.height - 2], [skips[-1]])
        for layer in layers[stage.height - 1 :]:
            is_last = layer is layers[-1]
            h = self._unit(layer, self._upsample_and_join(h, skips.pop()), residual if is_last else None)
        return h

    def _unit(self, layer: Convolution, inputs: list[Buffer], residual: Buffer | None = None) -> Buffer:
        """Convolution, ReLU and, where there is one, the residual."""
        side, channels = inputs[0].side, layer.out_channels
        kind = self._kind(layer, inputs[0])
        packed = self._packed(kind, layer.name, tuple(buffer.channels for buffer in inputs))
        output = feature_map(side, channels)
        more = {"output_channels": channels, "dilation": layer.dilation, "residual": residual}
        return self._add(kind, side, inputs, output, packed=packed, **more)

    def _kind(self, layer: Convolution, first: Buffer) -> StepKind:
        if layer.dilation > 1:
            return StepKind.IM2COL
        if self._matrix_tiles:
            return StepKind.MATRIX_TILES
        if first is self.image:
            return StepKind.WINOGRAD_IMAGE
        return StepKind.WINOGRAD if first.side % 4 == 0 else StepKind.IM2COL

    def _pool(self, unpooled: Buffer) -> Buffer:
        """2×2 max pooling, done by the step that makes the unpooled map if that works on tiles."""
        (index,) = (k for k, step in enumerate(self.steps) if step.output is unpooled)
        pooled = feature_map(unpooled.side // 2, unpooled.channels)
        if self.steps[index].kind == StepKind.IM2COL:
            return self._add(StepKind.MAX_POOL, pooled.side, [unpooled], pooled, output_channels=pooled.channels)
        self.steps[index] = self.steps[index]._replace(pooled=pooled)
        return pooled

    def _upsample_and_join(self, h: Buffer, skip: Buffer) -> list[Buffer]:
        if h.side == skip.side:
            return [h, skip]
        larger = feature_map(skip.side, h.channels)
        return [self._add(StepKind.UPSAMPLE, skip.side, [h], larger, output_channels=h.channels), skip]

    def _side(self, name: str, feature: Buffer, size: int) -> Buffer:
        """A side output, upsampled along its rows: float32 [side, size]."""
        side, packed = feature.side, self._packed(StepKind.TAP_PLANES, name, (feature.channels,))
        packed = packed._replace(scale=packed.scale * self._contrast)
        planes = self._add(StepKind.TAP_PLANES, side, [feature], Buffer((side, side, LANES), np.float32), packed=packed)
        rows = Buffer((side, size), np.float32)
        return self._add(StepKind.SUM_TAPS, side, [planes], rows, output_channels=size)

    def _packed(self, kind: StepKind, name: str, inputs: tuple[int, ...]) -> PackedWeights:
        if (kind, name) not in self._of_weights:
            self._of_weights[kind, name] = self._pack(kind, name, inputs)
        return self._of_weights[kind, name]

    def _pack(self, kind: StepKind, name: str, inputs: tuple[int, ...]) -> PackedWeights:
        unit = 255 * image_levels()[0]
        if kind == StepKind.WINOGRAD_IMAGE:
            return pack_winograd_image(self._tensors, name, unit)
        if kind == StepKind.MATRIX_TILES and inputs == (self.image.channels,):
            return pack_matrix_tiles_image(self._tensors, name, unit)
        if kind == StepKind.MATRIX_TILES:
            return pack_matrix_tiles(self._tensors, name, inputs)
        pack = {
            StepKind.WINOGRAD: pack_winograd,
            StepKind.IM2COL: pack_im2col,
            StepKind.TAP_PLANES: pack_tap_planes,
        }[kind]
        return pack(self._tensors, name)


# Packed once for all plans of the same weights.
_PACKED: WeakKeyDictionary[QuantisedWeights, dict[tuple[StepKind, str], PackedWeights]] = WeakKeyDictionary()


def _level_table() -> NDArray[np.int16]:
    """Levels of the byte values of R, G and B: int16 [3, 256]."""
    normalised = (np.arange(256)[:, None] / 255 - np.array(MEAN)) / np.array(STD)
    return np.ascontiguousarray(levels_of(normalised).T)
