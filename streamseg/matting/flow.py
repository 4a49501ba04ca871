"""Dense optical flow between two pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.arrays import Image, gradients, halve

__all__ = ["dense_flow"]

_LEVELS = 4
_SMALLEST_SIDE = 8
# Side of a patch, and from one to the next, in pixels.
_PATCH, _STRIDE = 8, 4
# Of Gauss–Newton in each patch on each level, each of so many pixels at most.
_STEPS = 4
_LONGEST_STEP = 2.0
# Keeps flat places still: against sums of squared gradients in code values.
_DAMPING = 64.0
# A difference in code values that says nothing against a patch.
_SURE = 1.0
# Around a picture, its border repeated: a patch that has left the picture as far as it may still has all samples.
_BORDER = (_PATCH, _PATCH + 1)


def dense_flow(here: Image, there: Image) -> Image:
    """Where each pixel of ``here`` is found in ``there``: here(x) ≈ there(x + flow(x)).

    Dense inverse search (Kroeger et al. 2016, Fast Optical Flow using Dense Inverse Search, section 2) without its
    variational refinement: on a pyramid, patches that overlap are each followed by Gauss–Newton from the coarser
    flow, their mean brightness taken out, and each pixel has the mean of its patches' flows, weighted by how well they
    explain it. Differences: fixed numbers of steps, of which the best counts, and patches on the border of the picture.

    Args:
        here, there: float32 [rows, columns] of equal shape, in 8-bit code values.

    Returns:
        float32 [2, rows, columns]: across and down, in pixels.
    """
    pyramid = [(here, there)]
    while len(pyramid) < _LEVELS and min(pyramid[-1][0].shape) >= 2 * _SMALLEST_SIDE:
        pyramid.append((halve(pyramid[-1][0]), halve(pyramid[-1][1])))
    flow: Image = np.zeros((2, *pyramid[-1][0].shape), np.float32)
    for fixed, moving in pyramid[::-1]:
        patches = _Patches(fixed, moving)
        flow = patches.spread(patches.followed(_doubled(flow, *fixed.shape)))
    return flow


def _doubled(flow: Image, rows: int, columns: int) -> Image:
    """``flow`` for pictures of twice the size, by blocks (patches smooth it), and perhaps one more row and column."""
    if flow.shape[1:] == (rows, columns):
        return flow
    larger = (flow * np.float32(2)).repeat(2, axis=1).repeat(2, axis=2)
    odd = (rows - larger.shape[1], columns - larger.shape[2])
    return np.pad(larger, ((0, 0), (0, odd[0]), (0, odd[1])), mode="edge") if any(odd) else larger


class _Patches:
    """The patches of a picture and where they are in another one.

    Arrays of all patches have the patches last, row by row: what is done to each is done along them.

    Args:
        fixed: the picture that is cut into patches, float32 [rows, columns].
        moving: the one that they are looked for in.
    """

    def __init__(self, fixed: Image, moving: Image) -> None:
        self._shape = fixed.shape
        self._counts = tuple(-(-size // _STRIDE) + 1 for size in fixed.shape)
        down, across = (np.arange(count, dtype=np.intp) * _STRIDE - _STRIDE for count in self._counts)
        self._top, self._left = down.repeat(len(across)), np.tile(across, len(down))
        self._moving = np.pad(moving, _BORDER, mode="edge")
        self._own = self._cut(np.pad(fixed, _BORDER, mode="edge"), self._top, self._left, _PATCH)
        self._slopes = [self._cut(np.pad(it, _BORDER), self._top, self._left, _PATCH) for it in gradients(fixed)]

    @staticmethod
    def _cut(bordered: Image, top: NDArray[np.intp], left: NDArray[np.intp], side: int) -> Image:
        """Squares of a picture with its border, float32 [side, side, patches]."""
        wide = bordered.shape[1]
        offsets = np.arange(side, dtype=np.intp)[:, None] * wide + np.arange(side, dtype=np.intp)
        corners = (top + _PATCH) * np.intp(wide) + (left + _PATCH)
        return np.asarray(bordered.ravel().take(offsets[..., None] + corners, mode="clip"))

    def followed(self, flow: Image) -> Image:
        """The flow of each patch, float32 [2, patches]: the best place tried, from ``flow`` in its middle on."""
        rows, columns = self._shape
        start = flow[:, np.minimum(self._top + _STRIDE, rows - 1), np.minimum(self._left + _STRIDE, columns - 1)]
        at, best, least = start.copy(), start.copy(), np.full(start.shape[1], np.inf, np.float32)
        by_x, by_y = (slope - slope.mean(axis=(0, 1)) for slope in self._slopes)
        xx, yy, xy = _dot(by_x, by_x) + _DAMPING, _dot(by_y, by_y) + _DAMPING, _dot(by_x, by_y)
        scale = 1 / (xx * yy - xy * xy)
        for _ in range(_STEPS + 1):
            difference = self._difference(at)
            difference -= difference.mean(axis=(0, 1))
            error = _dot(difference, difference)
            better = error < least
            least[better] = error[better]
            best[:, better] = at[:, better]
            x, y = _dot(by_x, difference), _dot(by_y, difference)
            step = np.stack([(yy * x - xy * y) * scale, (xx * y - xy * x) * scale])
            at -= np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            np.clip(at, start - _PATCH, start + _PATCH, out=at)
        return best

    def spread(self, flows: Image) -> Image:
        """The flow of each pixel, from those of the patches that it lies in."""
        weight = 1 / np.maximum(np.float32(_SURE), np.abs(self._difference(flows)))
        down, across = self._counts
        sums = np.zeros((3, _STRIDE, _STRIDE, down + 1, across + 1), np.float32)
        for total, values in zip(sums, (weight, flows[0] * weight, flows[1] * weight), strict=True):
            patches = values.reshape(2, _STRIDE, 2, _STRIDE, down, across)
            for row in (0, 1):  # the halves of a patch lie in blocks of their own
                for column in (0, 1):
                    total[..., row : row + down, column : column + across] += patches[row, :, column]
        pixels = sums.transpose(0, 3, 1, 4, 2).reshape(3, (down + 1) * _STRIDE, (across + 1) * _STRIDE)
        in_all, *by_axis = pixels[:, _STRIDE : _STRIDE + self._shape[0], _STRIDE : _STRIDE + self._shape[1]]
        return np.stack([moved / in_all for moved in by_axis])

    def _difference(self, flows: Image) -> Image:
        """What lies at each patch's place in the other picture, less the patch."""
        rows, columns = self._shape
        x = np.clip(self._left.astype(np.float32) + flows[0], -_PATCH, columns)
        y = np.clip(self._top.astype(np.float32) + flows[1], -_PATCH, rows)
        left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
        found = self._cut(self._moving, top, left, _PATCH + 1)
        found = found[:, :-1] + (x - left).astype(np.float32) * (found[:, 1:] - found[:, :-1])
        found = found[:-1] + (y - top).astype(np.float32) * (found[1:] - found[:-1])
        found -= self._own
        return np.asarray(found)


def _dot(one: Image, other: Image) -> Image:
    return np.asarray(np.einsum("yxp,yxp->p", one, other))
