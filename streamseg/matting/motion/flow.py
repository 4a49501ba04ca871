"""Dense optical flow between two images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image, gradients, halve
from streamseg.matting.constants import (
    FLOW_DAMPING,
    FLOW_ERROR_FLOOR,
    FLOW_LEVELS,
    FLOW_LONGEST_STEP,
    FLOW_PATCH,
    FLOW_SHORTEST_STEP,
    FLOW_SMALLEST_SIDE,
    FLOW_STEPS,
    FLOW_STRIDE,
)

__all__ = ["dense_flow"]

# Rows and columns around an image, copies of its border: a patch at the end of its range still has all samples.
_BORDER = (FLOW_PATCH, FLOW_PATCH + 1)


def dense_flow(here: Image, there: Image) -> Image:
    """Where each pixel of ``here`` is found in ``there``: here(x) ≈ there(x + flow(x)).

    Dense inverse search (Kroeger et al. 2016, Fast Optical Flow using Dense Inverse Search, section 2) without its
    variational refinement: on a pyramid, overlapping patches are each aligned by Gauss–Newton, starting from the
    coarser flow, with their mean brightness removed; each pixel gets the mean of its patches' flows, weighted by how
    well they explain it. Differences: few steps, of which the best counts, and patches across the border.

    Args:
        here, there: float32 [rows, columns] of equal shape, in 8-bit code values.

    Returns:
        float32 [2, rows, columns]: across and down, in pixels.
    """
    pyramid = [(here, there)]
    while len(pyramid) < FLOW_LEVELS and min(pyramid[-1][0].shape) >= 2 * FLOW_SMALLEST_SIDE:
        pyramid.append((halve(pyramid[-1][0]), halve(pyramid[-1][1])))
    flow: Image = np.zeros((2, *pyramid[-1][0].shape), np.float32)
    for fixed, moving in pyramid[::-1]:
        patches = _Patches(fixed, moving)
        flow = patches.densify(patches.align(_doubled(flow, *fixed.shape)))
    return flow


def _doubled(flow: Image, rows: int, columns: int) -> Image:
    """``flow`` for images of twice the size: nearest neighbour (patches smooth it); an odd last line repeats."""
    if flow.shape[1:] == (rows, columns):
        return flow
    larger = (flow * np.float32(2)).repeat(2, axis=1).repeat(2, axis=2)
    odd = (rows - larger.shape[1], columns - larger.shape[2])
    return np.pad(larger, ((0, 0), (0, odd[0]), (0, odd[1])), mode="edge") if any(odd) else larger


class _Patches:
    """The overlapping patches of one image, to be found in another.

    Arrays over all patches have the patch as their last axis, in row-major order.

    Args:
        fixed: the image that is cut into patches, float32 [rows, columns].
        moving: the image that they are searched in, of the same shape.
    """

    def __init__(self, fixed: Image, moving: Image) -> None:
        self._shape = fixed.shape
        self._counts = tuple(-(-size // FLOW_STRIDE) + 1 for size in fixed.shape)
        down, across = (np.arange(count, dtype=np.intp) * FLOW_STRIDE - FLOW_STRIDE for count in self._counts)
        self._top, self._left = down.repeat(len(across)), np.tile(across, len(down))
        self._moving = np.pad(moving, _BORDER, mode="edge")
        self._own = self._cut(np.pad(fixed, _BORDER, mode="edge"), self._top, self._left, FLOW_PATCH)
        self._slopes = [self._cut(np.pad(it, _BORDER), self._top, self._left, FLOW_PATCH) for it in gradients(fixed)]

    @staticmethod
    def _cut(bordered: Image, top: NDArray[np.intp], left: NDArray[np.intp], side: int) -> Image:
        """Squares of an image with its border, float32 [side, side, patches]."""
        wide = bordered.shape[1]
        offsets = np.arange(side, dtype=np.intp)[:, None] * wide + np.arange(side, dtype=np.intp)
        corners = (top + FLOW_PATCH) * np.intp(wide) + (left + FLOW_PATCH)
        return np.asarray(bordered.ravel().take(offsets[..., None] + corners, mode="clip"))

    def align(self, flow: Image) -> Image:
        """The flow of each patch, float32 [2, patches]: the best position tried, from ``flow`` in its middle on."""
        rows, columns = self._shape
        start = flow[
            :, np.minimum(self._top + FLOW_STRIDE, rows - 1), np.minimum(self._left + FLOW_STRIDE, columns - 1)
        ]
        at, best, least = start.copy(), start.copy(), np.full(start.shape[1], np.inf, np.float32)
        by_x, by_y = (slope - slope.mean(axis=(0, 1)) for slope in self._slopes)
        xx, yy, xy = _dot(by_x, by_x) + FLOW_DAMPING, _dot(by_y, by_y) + FLOW_DAMPING, _dot(by_x, by_y)
        scale = 1 / (xx * yy - xy * xy)
        moving = np.ones(start.shape[1], bool)
        for _ in range(FLOW_STEPS + 1):
            difference = self._difference(at)
            difference -= difference.mean(axis=(0, 1))
            error = _dot(difference, difference)
            better = moving & (error < least)
            least[better] = error[better]
            best[:, better] = at[:, better]
            x, y = _dot(by_x, difference), _dot(by_y, difference)
            step = np.stack([(yy * x - xy * y) * scale, (xx * y - xy * x) * scale])
            moving &= np.square(step).sum(axis=0) >= FLOW_SHORTEST_STEP**2
            at -= np.clip(step, -FLOW_LONGEST_STEP, FLOW_LONGEST_STEP)
            np.clip(at, start - FLOW_PATCH, start + FLOW_PATCH, out=at)
        return best

    def densify(self, flows: Image) -> Image:
        """The flow of each pixel, float32 [2, rows, columns], from the flows of its patches, float32 [2, patches]."""
        weight = 1 / np.maximum(np.float32(FLOW_ERROR_FLOOR), np.abs(self._difference(flows)))
        down, across = self._counts
        sums = np.zeros((3, FLOW_STRIDE, FLOW_STRIDE, down + 1, across + 1), np.float32)
        for total, values in zip(sums, (weight, flows[0] * weight, flows[1] * weight), strict=True):
            patches = values.reshape(2, FLOW_STRIDE, 2, FLOW_STRIDE, down, across)
            for row in (0, 1):  # each half of a patch falls into another block of pixels
                for column in (0, 1):
                    total[..., row : row + down, column : column + across] += patches[row, :, column]
        pixels = sums.transpose(0, 3, 1, 4, 2).reshape(3, (down + 1) * FLOW_STRIDE, (across + 1) * FLOW_STRIDE)
        rows, columns = self._shape
        weights, *flows_by_axis = pixels[:, FLOW_STRIDE : FLOW_STRIDE + rows, FLOW_STRIDE : FLOW_STRIDE + columns]
        return np.stack([weighted / weights for weighted in flows_by_axis])

    def _difference(self, flows: Image) -> Image:
        """The other image at each patch moved by its flow, minus the patch: float32 [side, side, patches]."""
        rows, columns = self._shape
        x = np.clip(self._left.astype(np.float32) + flows[0], -FLOW_PATCH, columns)
        y = np.clip(self._top.astype(np.float32) + flows[1], -FLOW_PATCH, rows)
        left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
        found = self._cut(self._moving, top, left, FLOW_PATCH + 1)
        found = found[:, :-1] + (x - left).astype(np.float32) * (found[:, 1:] - found[:, :-1])
        found = found[:-1] + (y - top).astype(np.float32) * (found[1:] - found[:-1])
        found -= self._own
        return np.asarray(found)


def _dot(one: Image, other: Image) -> Image:
    return np.asarray(np.einsum("yxp,yxp->p", one, other))
