"""Refining the uncertain band, compiled: the twin of streamseg.matting.edges.NumPyRefiner."""

from __future__ import annotations

import numpy as np

from streamseg.device.cpu.compiled import Compiled, Graphs
from streamseg.matting.arrays import Image
from streamseg.matting.edges import FIELDS, NumPyRefiner
from streamseg.network.quiet_openvino import import_openvino

__all__ = ["CompiledRefiner"]

# Pixels at a time: graphs have one size, and bands many.
_CHUNK = 8192


class CompiledRefiner:
    """A streamseg.matting.edges.Refiner that compiles a graph for each size of local colours it meets often."""

    def __init__(self) -> None:
        self._graphs, self._plain = Graphs(_graph), NumPyRefiner()
        self._places = np.zeros((1, 1, _CHUNK, 2), np.float32)
        self._alpha, self._colours = np.zeros(_CHUNK, np.float32), np.zeros((3, _CHUNK), np.float32)
        self._refined, self._cleaned = np.empty((1, 1, _CHUNK), np.float32), np.empty((1, 3, _CHUNK), np.float32)

    def __call__(self, local: Image, down: Image, across: Image, alpha: Image, colours: Image) -> tuple[Image, Image]:
        rows, columns = local.shape[1:]
        graph = self._graphs(rows, columns)
        if graph is None:
            return self._plain(local, down, across, alpha, colours)
        refined, cleaned = np.empty_like(alpha), np.empty_like(colours)
        for start in range(0, len(alpha), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            count = len(alpha[chunk])
            _into_parts(across[chunk], columns, self._places[0, 0, :count, 0])
            _into_parts(down[chunk], rows, self._places[0, 0, :count, 1])
            self._alpha[:count], self._colours[:, :count] = alpha[chunk], colours[:, chunk]
            graph([local, self._places, self._alpha, self._colours], [self._refined, self._cleaned])
            refined[chunk], cleaned[:, chunk] = self._refined[0, 0, :count], self._cleaned[0, :, :count]
        return refined, cleaned


def _into_parts(places: Image, size: int, out: Image) -> None:
    """In parts of an axis: -1 is the centre of its first pixel, 1 that of its last."""
    np.multiply(places, np.float32(2 / (size - 1)), out=out)
    out -= 1


def _graph(rows: int, columns: int) -> Compiled:
    ops = import_openvino().opset13
    local = ops.parameter([1, FIELDS, rows, columns], np.float32)
    places = ops.parameter([1, 1, _CHUNK, 2], np.float32)
    alpha = ops.parameter([1, 1, _CHUNK], np.float32)
    colours = ops.parameter([1, 3, _CHUNK], np.float32)
    sampled = ops.grid_sample(local, places, {"align_corners": True, "mode": "bilinear", "padding_mode": "border"})
    here = ops.reshape(sampled, np.array([1, FIELDS, _CHUNK]), False)
    difference, offset, scale, trust = ops.variadic_split(here, 1, np.array([3, 1, 1, 1])).outputs()
    along = ops.reduce_sum(ops.multiply(colours, difference), np.array([1]), keep_dims=True)
    between = ops.clamp(ops.multiply(ops.subtract(along, offset), scale), 0.0, 1.0)
    refined = ops.add(alpha, ops.multiply(trust, ops.subtract(between, alpha)))
    missing = ops.multiply(trust, ops.subtract(np.float32(1), refined))
    cleaned = ops.add(colours, ops.multiply(difference, missing))
    return Compiled([refined.output(0), cleaned.output(0)], [local, places, alpha, colours])
