"""Motion between the frames of one stream, on the GPU; the counterpart of streamseg.matting.motion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.device.cuda.platform import Platform, Stream
from streamseg.device.cuda.stages.brightness import Brightness
from streamseg.matting.constants import (
    BRIGHTNESS_STEPS,
    FLOW_LEVELS,
    FLOW_SMALLEST_SIDE,
    FLOW_STRIDE,
    SCENE_CUT_CONFIDENCE,
)
from streamseg.matting.motion.estimate import content_of

__all__ = ["FrameStatistics", "GPUMotionEstimator"]

# Threads that align one patch: LANES of the kernels.
_LANES = 32
# Pixels of a column that one thread adds up: PIECE of the kernels.
_PIECE = 8
_HALVINGS = 3  # for means of 8×8 pixels
_CAPACITY = 32
# The code of black in video of limited range.
_BLACK = 16


@dataclass(frozen=True, slots=True)
class FrameStatistics:
    """What the host knows of a frame once its sums have been downloaded.

    Attributes:
        confidence: mean confidence of the flow, in [0, 1].
        content: see streamseg.matting.motion.estimate.content.
    """

    confidence: float
    content: float

    @property
    def cut(self) -> bool:
        """Whether the frame has nothing in common with the one before: a scene cut."""
        return self.confidence < SCENE_CUT_CONFIDENCE


class GPUMotionEstimator:
    """Dense flow, its confidence and statistics, for luma images of one size; a change of brightness is no motion.

    Results are kept by index: each index holds a luma image, the motion to it from the image before and back, and its
    statistics, until it is used again. The work of one image is one graph, and for the motion back three kernels.

    Args:
        platform: of the device.
        stream: that all work goes to.
        rows, columns: of the luma images, 8 or more.
        capacity: how many results are kept: the frames between their motion and their output, and some more.
    """

    def __init__(self, platform: Platform, stream: Stream, rows: int, columns: int, capacity: int = _CAPACITY) -> None:
        self._platform, self.rows, self.columns = platform, rows, columns
        empty, shape = platform.empty, (rows, columns)
        # Forwards and backwards where the first dimension is 2.
        self._lumas = empty((capacity, *shape), torch.float32)
        self._flows = empty((2, capacity, 2, *shape), torch.float32)
        self._confidences = empty((2, capacity, *shape), torch.float32)
        self._host_sums = platform.pinned((capacity, 5), torch.float64)
        self._host_unexplained = platform.pinned((capacity, *shape), torch.uint8)
        self._allocate_graph_memory()
        with platform.on(stream):
            for level in (*self._here, *self._there):
                level.zero_()
        self._graph = platform.capture(self._compute, stream)

    def _allocate_graph_memory(self) -> None:
        """Fixed memory that the graph works on: two pyramids, what its kernels pass on, and its results."""
        empty, shape = self._platform.empty, (self.rows, self.columns)
        self._shapes = _pyramid(*shape)
        self._here, self._there = ([empty(level, torch.float32) for level in self._shapes] for _ in range(2))
        self._patches = empty((2, *_patch_counts(*shape)), torch.float32)
        self._errors, self._flow, self._start = (empty((2, *shape), torch.float32) for _ in range(3))
        self._confidence = empty(shape, torch.float32)
        self._mask, self._backward_mask = (empty(shape, torch.uint8) for _ in range(2))
        self._moments = empty((5,), torch.float64)
        self._brightness = Brightness(self._platform, *shape)
        # The image before, as bright as this one: the levels of the flow.
        self._corrected = [empty(level, torch.float32) for level in self._shapes[: self._levels]]

    def luma(self, index: int) -> Tensor:
        """The luma image, float32 [rows, columns] in 8-bit code values, to be written before ``estimate``."""
        return self._lumas[index]

    def flow(self, index: int) -> Tensor:
        """The flow to this image from the one before, float32 [2, rows, columns] in pixels."""
        return self._flows[0, index]

    def confidence(self, index: int) -> Tensor:
        """Its confidence, float32 [rows, columns] in [0, 1]."""
        return self._confidences[0, index]

    def unexplained(self, index: int) -> Tensor:
        """1 where the flow explains nothing, else 0: uint8 [rows, columns] on the host, once it has been downloaded."""
        return self._host_unexplained[index]

    def backward_flow(self, index: int) -> Tensor:
        """The flow to the image before from this one, float32 [2, rows, columns] in pixels."""
        return self._flows[1, index]

    def backward_confidence(self, index: int) -> Tensor:
        """Its confidence, float32 [rows, columns] in [0, 1]."""
        return self._confidences[1, index]

    def estimate(self, index: int, black: float = _BLACK) -> None:
        """Queue the motion to an image from the one estimated last, and the download of its statistics.

        The first image of all has no motion to it; its flow is undefined.

        Args:
            black: the code of black, 0 or 16.
        """
        self._brightness.set_black(black)
        self._here[0].copy_(self._lumas[index])
        self._graph()
        self._flows[0, index].copy_(self._flow)
        self._confidences[0, index].copy_(self._confidence)
        self._host_sums[index].copy_(self._moments, non_blocking=True)
        self._host_unexplained[index].copy_(self._mask, non_blocking=True)

    def statistics(self, index: int) -> FrameStatistics:
        """The statistics of an image, once they have been downloaded."""
        value, square, coarse, coarse_square, confidence = self._host_sums[index].tolist()
        count = self.rows * self.columns
        coarse_count = (self._shapes[0][0] >> _HALVINGS) * (self._shapes[0][1] >> _HALVINGS)
        variance = max(0.0, square / count - (value / count) ** 2)
        coarse_variance = max(0.0, coarse_square / coarse_count - (coarse / coarse_count) ** 2)
        return FrameStatistics(confidence / count, content_of(variance, coarse_variance))

    def reverse(self, index: int, previous: int) -> None:
        """Queue the motion back: to the image at ``previous`` from the one at ``index``."""
        size = (self.columns, self.rows)
        flow, confidence = self._flows[1, index], self._confidences[1, index]
        self._platform.launch("reverse_flow", size, self._flows[0, index], self.rows, self.columns, flow)
        images = self._lumas[previous], self._lumas[index]
        self._compute_confidence(*images, flow, confidence, self._backward_mask)

    def _compute(self) -> None:
        """All kernels of one image: motion to ``_here`` from ``_there``, and sums; then ``_there`` gets ``_here``."""
        self._build_pyramid(self._here)
        self._estimate(self._there)
        images, corrected = (self._here[0], self._there[0]), self._corrected
        self._brightness.compare(*images)
        for step in range(BRIGHTNESS_STEPS):
            wanted = self._brightness.correct(step, *images, self._flow, corrected[0])
            self._build_pyramid(corrected, wanted)
            self._estimate(corrected, wanted)
        self._moments.zero_()
        coarse = self._here[_HALVINGS]
        arguments = (self.rows, self.columns, coarse, *self._shapes[_HALVINGS], self._confidence, self._moments)
        self._platform.launch("moments", (self.columns, -(-self.rows // _PIECE)), self._here[0], *arguments)
        for there, here in zip(self._there, self._here, strict=True):
            there.copy_(here)

    @property
    def _levels(self) -> int:
        """Levels of the flow; the pyramid may have more, for the content."""
        levels = 1
        while levels < FLOW_LEVELS and min(self._shapes[levels - 1]) >= 2 * FLOW_SMALLEST_SIDE:
            levels += 1
        return levels

    def _estimate(self, there: list[Tensor], wanted: Tensor | None = None) -> None:
        """Flow and confidence, from the pyramid ``there``; ``wanted``: the flag of all kernels."""
        self._start.zero_()
        for level in range(self._levels - 1, -1, -1):
            self._estimate_level(level, there[level], wanted)
        self._compute_confidence(self._here[0], there[0], self._flow, self._confidence, self._mask, wanted)

    def _build_pyramid(self, pyramid: list[Tensor], wanted: Tensor | None = None) -> None:
        for (_, columns), (rows, half), fine, coarse in zip(
            self._shapes, self._shapes[1:], pyramid, pyramid[1:], strict=False
        ):
            self._platform.launch("halve", (half, rows), fine, columns, rows, half, wanted, coarse)

    def _estimate_level(self, level: int, there: Tensor, wanted: Tensor | None) -> None:
        """Flow on one level, starting from the flow of the coarser one, on the coarsest from zero."""
        (rows, columns), launch = self._shapes[level], self._platform.launch
        images = self._here[level], there
        if level < self._levels - 1:
            sizes = (*self._shapes[level + 1], rows, columns)
            launch("double_flow", (columns, rows), self._flow, *sizes, wanted, self._start)
        down, across = _patch_counts(rows, columns)
        launch("align_patches", (across * _LANES, down), *images, self._start, rows, columns, wanted, self._patches)
        launch("densify", (columns, rows), *images, self._patches, rows, columns, wanted, self._flow)

    def _compute_confidence(
        self,
        here: Tensor,
        there: Tensor,
        flow: Tensor,
        confidence: Tensor,
        mask: Tensor,
        wanted: Tensor | None = None,
    ) -> None:
        size, shape = (self.columns, self.rows), (self.rows, self.columns)
        self._platform.launch("flow_errors", size, here, there, flow, *shape, wanted, self._errors)
        self._platform.launch("flow_confidence", size, self._errors, *shape, wanted, confidence, mask)


def _pyramid(rows: int, columns: int) -> list[tuple[int, int]]:
    shapes = [(rows, columns)]
    for _ in range(_HALVINGS):
        shapes.append((max(1, shapes[-1][0] // 2), max(1, shapes[-1][1] // 2)))
    return shapes


def _patch_counts(rows: int, columns: int) -> tuple[int, int]:
    """How many patches lie below and beside each other."""
    return -(-rows // FLOW_STRIDE) + 1, -(-columns // FLOW_STRIDE) + 1
