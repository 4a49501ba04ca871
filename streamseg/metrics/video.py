"""Metrics of mattes over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.matting.arrays import warp as warp_images
from streamseg.metrics.arrays import Floats, Mask, Means, check, check_like, worst_tenth
from streamseg.metrics.boundary import boundary_f
from streamseg.metrics.ghost import ghost
from streamseg.metrics.saliency import mae

__all__ = ["Flicker", "Flow", "VideoScores", "dtssd", "flicker", "iou", "warp"]

#: From the previous and the current frame to their flow, float32 [2, rows, columns], as ``warp`` expects it.
Flow = Callable[[Any, Any], NDArray[np.float32]]


def iou(prediction: Floats | Mask, truth: Floats | Mask) -> float:
    """Intersection over union of the pixels of at least one half (the measure J of DAVIS, Perazzi et al. 2016).

    Args:
        prediction, truth: floats [rows, columns] in [0, 1], or bool.

    Returns:
        In [0, 1]; 1 where both are empty.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    predicted, true = prediction >= 0.5, truth >= 0.5
    union = np.count_nonzero(predicted | true)
    return float(np.count_nonzero(predicted & true) / union) if union else 1.0


def dtssd(prediction: Floats, before: Floats, truth: Floats | Mask, truth_before: Floats | Mask) -> float:
    """Error of the change of a matte from one frame to the next, times 100 (dtSSD, Erofeev et al. 2015).

    100·√mean[((p_t − p_{t−1}) − (g_t − g_{t−1}))²], with p and g in [0, 1]; the scale is that of Lin et al. 2021
    (RobustVideoMatting). Tables give the mean over pairs of frames; the script of that paper counts the first frame as
    a 0, which streamseg does not.

    Args:
        prediction, before: mattes of a frame and of the previous one, floats [rows, columns] in [0, 1].
        truth, truth_before: true alpha of the same frames, or bool.

    Returns:
        0 or more; 0 is perfect.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    check_like(before, truth_before)
    check_like(prediction, before)
    dtype = prediction.dtype
    change = (prediction - before) - (truth.astype(dtype) - truth_before.astype(dtype))
    return 100 * float(np.sqrt(np.mean(np.square(change), dtype=np.float64)))


def warp(image: Floats, flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], Mask]:
    """``image`` warped along a flow, with bilinear interpolation.

    Args:
        image: floats [rows, columns], at least 2×2.
        flow: float32 [2, rows, columns], horizontal and vertical, in pixels: what is now at (column, row) was at
            (column, row) + flow; as from streamseg.matting.motion.flow.dense_flow(now, before).

    Returns:
        The warped image, float32 [rows, columns], and where it is known, bool [rows, columns]: False where the flow
        comes from outside the image.

    Raises:
        InputError: a flow of another shape.
    """
    if flow.shape != (2, *image.shape):
        raise InputError(f"flow is {flow.shape}: expected {(2, *image.shape)}")
    rows, columns = image.shape
    x = np.arange(columns, dtype=np.float32) + flow[0]
    y = np.arange(rows, dtype=np.float32)[:, None] + flow[1]
    known = (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)
    return warp_images(image[None].astype(np.float32), flow.astype(np.float32))[0], known


def flicker(matte: Floats, before: Floats, flow: NDArray[np.float32]) -> float | None:
    """Without ground truth: mean absolute difference between a matte and the previous one warped along the flow.

    The temporal warping error of Lai et al. 2018 (Learning Blind Video Temporal Consistency), of mattes and with
    absolute differences.

    Args:
        matte, before: floats [rows, columns] in [0, 1], of a frame and of the previous one.
        flow: from the frame to the previous one, as ``warp`` expects it.

    Returns:
        In [0, 1], over the pixels whose flow comes from inside the frame; None where there are none.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(matte, before)
    warped, known = warp(before, flow)
    return float(np.mean(np.abs(matte - warped)[known], dtype=np.float64)) if known.any() else None


class Flicker:
    """Mean flicker of a sequence.

    Args:
        flow: computes the flow between two frames.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow, self._means = flow, Means("flicker")
        self._last: tuple[Floats, Any] | None = None

    def add(self, matte: Floats, frame: Any) -> None:
        """Add the next frame: its matte, floats [rows, columns] in [0, 1], and the frame as ``flow`` expects it."""
        check(matte, "matte")
        if self._last is not None:
            before, frame_before = self._last
            self._means.add(flicker=flicker(matte, before, self._flow(frame_before, frame)))
        self._last = matte, frame

    def result(self) -> float | None:
        """Mean over pairs of frames; None before the second frame."""
        return self._means.results()["flicker"]


class VideoScores:
    """Means over the frames of one sequence, against masks."""

    def __init__(self) -> None:
        self._means = Means("mae", "iou", "dtssd", "boundary_f_1px", "boundary_f_3px", "ghost")
        self._ious: list[float] = []
        self._last: tuple[Floats, Mask] | None = None

    def add(self, matte: Floats, mask: Mask) -> None:
        """Add the next frame.

        Args:
            matte: floats [rows, columns] in [0, 1].
            mask: bool [rows, columns].

        Raises:
            InputError: other shapes, types or values.
        """
        self._ious.append(iou(matte, mask))
        self._means.add(
            mae=mae(matte, mask),
            iou=self._ious[-1],
            dtssd=None if self._last is None else dtssd(matte, self._last[0], mask, self._last[1]),
            boundary_f_1px=boundary_f(matte, mask, 1),
            boundary_f_3px=boundary_f(matte, mask, 3),
            ghost=ghost(matte, mask),
        )
        self._last = matte, mask

    def results(self) -> dict[str, float | None]:
        """Means over frames (dtssd: over pairs of them): mae, iou, dtssd, boundary_f_1px, boundary_f_3px, ghost.

        worst_tenth_iou is what one frame in ten is below.
        """
        return {**self._means.results(), "worst_tenth_iou": worst_tenth(self._ious)}
