"""The over operator, compiled: the twin of streamseg.matting.composite.blend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.compiled import Compiled, Graphs
from streamseg.frame import Plane
from streamseg.matting.composite import blend
from streamseg.network.quiet_openvino import import_openvino

__all__ = ["CompiledBlend"]


class CompiledBlend:
    """``blend`` of 8-bit planes in one pass, of deeper ones in NumPy; one object for one thread."""

    def __init__(self) -> None:
        self._graphs = Graphs(_blend_graph)
        self._buffers: dict[tuple[int, ...], list[NDArray[np.uint8]]] = {}

    def __call__(self, foreground: Plane, background: Plane, alpha: Plane, out: Plane) -> None:
        """Arguments as for streamseg.matting.composite.blend, to the bit."""
        graph = self._graphs(*alpha.shape) if alpha.dtype == np.uint8 else None
        if graph is None:
            blend(foreground, background, alpha, out)
            return
        planes = (foreground, background, alpha, out)
        *inputs, result = planes if all(plane.flags.c_contiguous for plane in planes) else self._copies(*planes)
        graph(inputs, [result])
        if result is not out:
            out[:] = result

    def _copies(self, *planes: Plane) -> list[NDArray[np.uint8]]:
        """Of planes with padded rows, in memory that is kept."""
        shape = planes[0].shape
        if shape not in self._buffers:
            self._buffers[shape] = [np.empty(shape, np.uint8) for _ in planes]
        for buffer, plane in zip(self._buffers[shape][:3], planes, strict=False):
            buffer[:] = plane
        return self._buffers[shape]


def _blend_graph(rows: int, columns: int) -> Compiled:
    """b + (f − b)·α + ½, cut to a whole number. In float32 it errs by 1e-4, and no exact result is within .0019 of one
    half, for 255 is odd."""
    ops = import_openvino().opset13
    planes: list[Any] = [ops.parameter([rows, columns], np.uint8) for _ in range(3)]
    foreground, background, alpha = (ops.convert(plane, np.float32) for plane in planes)
    moved = ops.multiply(ops.subtract(foreground, background), ops.multiply(alpha, np.float32(1 / 255)))
    rounded = ops.add(ops.add(background, np.float32(0.5)), moved)
    return Compiled([ops.convert(rounded, np.uint8).output(0)], planes)
