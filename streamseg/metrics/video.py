"""Measures of mattes over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.matting.arrays import warp as warp_images
from streamseg.metrics.arrays import Floats, Mask, Means, check, check_like
from streamseg.metrics.boundary import boundary_f
from streamseg.metrics.saliency import mae

__all__ = ["Flicker", "Flow", "VideoScores", "dtssd", "flicker", "iou", "warp"]

#: Called with the picture before and the picture now, gives float32 [2, rows, columns] as ``warp`` takes it.
Flow = Callable[[Any, Any], NDArray[np.float32]]


def iou(prediction: Floats | Mask, truth: Floats | Mask) -> float:
    """Intersection over union of what is at least one half (the measure J of DAVIS, Perazzi et al. 2016).

    Args:
        prediction, truth: floats [rows, columns] in [0, 1], or bool.

    Returns:
        In [0, 1]; 1 where both are empty.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    found, true = prediction >= 0.5, truth >= 0.5
    union = np.count_nonzero(found | true)
    return float(np.count_nonzero(found & true) / union) if union else 1.0


def dtssd(prediction: Floats, before: Floats, truth: Floats | Mask, truth_before: Floats | Mask) -> float:
    """How wrongly a matte changes from one frame to the next, times 100 (dtSSD, Erofeev et al. 2015).

    100·√mean[((p_t − p_{t−1}) − (g_t − g_{t−1}))²], with p and g in [0, 1]; the scale is that of Lin et al. 2021
    (RobustVideoMatting). A table gives the mean over pairs of frames; the script of that paper counts the
    first frame in as 0, which these tables do not.

    Args:
        prediction, before: mattes of a frame and of the one before it, floats [rows, columns] in [0, 1].
        truth, truth_before: likewise, or bool.

    Returns:
        0 or more; 0 is perfect.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    check_like(before, truth_before)
    check_like(prediction, before)
    kind = prediction.dtype
    change = (prediction - before) - (truth.astype(kind) - truth_before.astype(kind))
    return 100 * float(np.sqrt(np.mean(np.square(change), dtype=np.float64)))


def warp(image: Floats, flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], Mask]:
    """``image`` carried along a flow, bilinearly.

    Args:
        image: floats [rows, columns], two or more of both.
        flow: float32 [2, rows, columns], across and down: what is now at (column, row) was at (column, row) + flow, in
            pixels, as streamseg.matting.flow.dense_flow(now, before) gives it.

    Returns:
        The carried image, float32, and where it is known, bool [rows, columns]: not where the flow comes from outside.

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
    """Where there is no truth: mean absolute difference of a matte and the one before it carried along the flow.

    The temporal warping error of Lai et al. 2018 (Learning Blind Video Temporal Consistency), of mattes and by
    absolute values.

    Args:
        matte, before: floats [rows, columns] in [0, 1], of a frame and of the one before it.
        flow: of the pictures, as ``warp`` takes it.

    Returns:
        In [0, 1], over the pixels whose flow comes from inside the frame; None where there are none.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(matte, before)
    carried, known = warp(before, flow)
    return float(np.mean(np.abs(matte - carried)[known], dtype=np.float64)) if known.any() else None


class Flicker:
    """Mean flicker of a sequence.

    Args:
        flow: gives the flow of two pictures.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow, self._means = flow, Means("flicker")
        self._last: tuple[Floats, Any] | None = None

    def add(self, matte: Floats, picture: Any) -> None:
        """Count the next frame in: its matte, floats [rows, columns] in [0, 1], and whatever ``flow`` takes."""
        check(matte, "matte")
        if self._last is not None:
            before, picture_before = self._last
            self._means.add(flicker=flicker(matte, before, self._flow(picture_before, picture)))
        self._last = matte, picture

    def result(self) -> float | None:
        """Mean over pairs of frames; None before the second frame."""
        return self._means.results()["flicker"]


class VideoScores:
    """Means over the frames of one sequence, against masks."""

    def __init__(self) -> None:
        self._means = Means("mae", "iou", "dtssd", "boundary_f_1px", "boundary_f_3px")
        self._last: tuple[Floats, Mask] | None = None

    def add(self, matte: Floats, mask: Mask) -> None:
        """Count the next frame in.

        Args:
            matte: floats [rows, columns] in [0, 1].
            mask: bool [rows, columns].

        Raises:
            InputError: other shapes, types or values.
        """
        self._means.add(
            mae=mae(matte, mask),
            iou=iou(matte, mask),
            dtssd=None if self._last is None else dtssd(matte, self._last[0], mask, self._last[1]),
            boundary_f_1px=boundary_f(matte, mask, 1),
            boundary_f_3px=boundary_f(matte, mask, 3),
        )
        self._last = matte, mask

    def results(self) -> dict[str, float | None]:
        """Means over frames (dtssd: over pairs of them): mae, iou, dtssd, boundary_f_1px, boundary_f_3px."""
        return self._means.results()
