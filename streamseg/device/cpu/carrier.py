"""Carrying along a motion, compiled: the twin of streamseg.matting.carry.NumPyCarrier."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.compiled import Compiled, Graphs
from streamseg.matting.arrays import Image
from streamseg.matting.carry import NumPyCarrier, Path
from streamseg.matting.motion import Motion
from streamseg.network.quiet_openvino import import_openvino

__all__ = ["CompiledCarrier"]

Node = Any
# Places are in parts of the picture: -1 is the centre of its first pixel, 1 that of its last.
_SAMPLING = {"align_corners": True, "mode": "bilinear", "padding_mode": "border"}


class CompiledCarrier:
    """A streamseg.matting.carry.Carrier that compiles a graph for each size it meets often. One for one thread."""

    def __init__(self) -> None:
        self._paths, self._fetches, self._plain = Graphs(_PathGraph), Graphs(_fetch_graph), NumPyCarrier()

    def another(self) -> CompiledCarrier:
        """For another thread: the graphs, some megabytes each, are the same."""
        other = copy(self)
        other._paths, other._fetches = self._paths.another(), self._fetches.another()
        return other

    def path(self, motion: Motion, rows: int, columns: int) -> Path:
        graph = self._paths(*motion.agreement.shape, rows, columns)
        if graph is None:
            return self._plain.path(motion, rows, columns)
        places, agreement = np.empty((rows, columns, 2), np.float32), np.empty((rows, columns), np.float32)
        graph([motion.flow, motion.agreement], [places[None], agreement[None, None]])
        return Path(places, agreement)

    def fetch(self, images: Image, path: Path) -> Image:
        graph = self._fetches(*images.shape)
        if graph is None:
            return self._plain.fetch(images, path)
        fetched = np.empty(images.shape, np.float32)
        graph([images, path.places], [fetched[None]])
        return fetched


class _PathGraph(Compiled):
    """Takes the places it samples at as inputs: constants of a graph are kept several times over."""

    def __init__(self, flow_rows: int, flow_columns: int, rows: int, columns: int) -> None:
        ops = import_openvino().opset13
        flow = ops.parameter([1, 2, flow_rows, flow_columns], np.float32)
        agreement = ops.parameter([1, 1, flow_rows, flow_columns], np.float32)
        centres, here = (ops.parameter([1, rows, columns, 2], np.float32) for _ in range(2))
        # The flow's pixels are larger than the grid's.
        parts = [2 * columns / flow_columns / (columns - 1), 2 * rows / flow_rows / (rows - 1)]
        scaled = ops.multiply(flow, np.array(parts, np.float32)[None, :, None, None])
        moved = ops.transpose(ops.grid_sample(scaled, centres, _SAMPLING), np.array([0, 2, 3, 1]))
        agreed = ops.grid_sample(agreement, centres, _SAMPLING)
        super().__init__([ops.add(moved, here).output(0), agreed.output(0)], [flow, agreement, centres, here])
        self._fixed = [
            _places(rows, columns, _half_pixel(flow_rows, rows), _half_pixel(flow_columns, columns)),
            _places(rows, columns, np.linspace(-1, 1, rows), np.linspace(-1, 1, columns)),
        ]

    def __call__(self, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]]) -> None:
        super().__call__([*inputs, *self._fixed], outputs)


def _fetch_graph(channels: int, rows: int, columns: int) -> Compiled:
    ops = import_openvino().opset13
    images = ops.parameter([1, channels, rows, columns], np.float32)
    places = ops.parameter([1, rows, columns, 2], np.float32)
    return Compiled([ops.grid_sample(images, places, _SAMPLING).output(0)], [images, places])


def _half_pixel(size: int, count: int) -> NDArray[np.float64]:
    """Places of ``count`` pixels along an axis of ``size`` whose edges lie where theirs do."""
    return np.asarray(((np.arange(count) + 0.5) * (size / count) - 0.5) * (2 / (size - 1)) - 1, np.float64)


def _places(rows: int, columns: int, down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32 [1, rows, columns, 2] of every crossing."""
    places = np.empty((1, rows, columns, 2), np.float32)
    places[..., 0], places[..., 1] = across, down[:, None]
    return places
