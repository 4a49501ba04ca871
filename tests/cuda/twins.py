"""NumPy twins of kernels whose work the CPU device leaves to swscale."""

from __future__ import annotations

import numpy as np

from streamseg.device.cuda.colour import rgb_matrix
from streamseg.frame import Frame
from streamseg.matting.boxes import WHOLE, Box
from streamseg.network.architecture import MEAN, STD


def triangle(count: int, size: int) -> np.ndarray:
    """Weights [count, size] that bring a line of ``size`` samples to ``count``: antialiased bilinear."""
    step = size / count
    reach = max(step, 1.0)
    centres = (np.arange(count) + 0.5) * step - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(size) - centres[:, None]) / reach)
    return weights / weights.sum(axis=1, keepdims=True)


def stretched(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return triangle(rows, plane.shape[0]) @ plane.astype(np.float64) @ triangle(columns, plane.shape[1]).T


def rgb(frame: Frame, box: Box = WHOLE, side: int = 320) -> np.ndarray:
    """The part of a frame as float64 RGB [side, side, 3] in [0, 1]."""
    left, top, right, bottom = box.pixels(frame.width, frame.height)
    planes = []
    for which, plane in enumerate(frame.planes[:3]):
        across, down = (frame.format.shift_x, frame.format.shift_y) if which else (0, 0)
        first_x, first_y = (
            left >> frame.format.shift_x << frame.format.shift_x,
            top >> frame.format.shift_y << frame.format.shift_y,
        )
        wide, high = -(-(right - left) >> across), -(-(bottom - top) >> down)
        part = plane[first_y >> down :, first_x >> across :][:high, :wide]
        planes.append(stretched(part, side, side))
    matrix = rgb_matrix(frame.format, frame.colour, frame.width, frame.height).astype(np.float64)
    return np.clip(np.einsum("ck,kyx->yxc", matrix[:, :3], np.stack(planes)) + matrix[:, 3], 0, 1)


def prepared(frame: Frame, box: Box = WHOLE) -> np.ndarray:
    return (rgb(frame, box) - MEAN) / STD
