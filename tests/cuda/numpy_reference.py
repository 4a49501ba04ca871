"""NumPy references of kernels whose work the CPU device leaves to swscale."""

from __future__ import annotations

import numpy as np

from streamseg.device.cuda.colour import rgb_matrix
from streamseg.frame import Frame
from streamseg.matting.tracking.roi import FULL_FRAME, ROI
from streamseg.network.architecture import MEAN, STD


def triangle(count: int, size: int) -> np.ndarray:
    """Weights [count, size] that resample ``size`` samples to ``count``: antialiased bilinear."""
    step = size / count
    reach = max(step, 1.0)
    centres = (np.arange(count) + 0.5) * step - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(size) - centres[:, None]) / reach)
    return weights / weights.sum(axis=1, keepdims=True)


def resampled(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return triangle(rows, plane.shape[0]) @ plane.astype(np.float64) @ triangle(columns, plane.shape[1]).T


def rgb(frame: Frame, roi: ROI = FULL_FRAME, side: int = 320) -> np.ndarray:
    """An ROI of a frame as float64 RGB [side, side, 3] in [0, 1]."""
    left, top, right, bottom = roi.pixels(frame.width, frame.height)
    planes = []
    for which, plane in enumerate(frame.planes[:3]):
        across, down = (frame.format.shift_x, frame.format.shift_y) if which else (0, 0)
        first_x, first_y = (
            left >> frame.format.shift_x << frame.format.shift_x,
            top >> frame.format.shift_y << frame.format.shift_y,
        )
        columns, rows = -(-(right - left) >> across), -(-(bottom - top) >> down)
        part = plane[first_y >> down :, first_x >> across :][:rows, :columns]
        planes.append(resampled(part, side, side))
    matrix = rgb_matrix(frame.format, frame.colour, frame.width, frame.height).astype(np.float64)
    return np.clip(np.einsum("ck,kyx->yxc", matrix[:, :3], np.stack(planes)) + matrix[:, 3], 0, 1)


def prepared(frame: Frame, roi: ROI = FULL_FRAME) -> np.ndarray:
    """The network's input for an ROI of a frame, float64 [320, 320, 3]."""
    return (rgb(frame, roi) - MEAN) / STD
