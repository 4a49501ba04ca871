"""What the kernels of kernels/network.c do, step by step, and the memory for it.

Convolutions read and write pixels, uint8 [rows + 2, columns + 2, channels] with a border of zeros.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.compiled import compiled_kernels
from streamseg.device.cpu.packing import LANES, Packed, aligned_zeros

__all__ = [
    "GATHERED",
    "PICTURE",
    "PLANES",
    "READ",
    "SUM",
    "TILES",
    "UPSAMPLED",
    "WIDE",
    "Buffer",
    "Plan",
    "Task",
    "pixels",
]

Array = NDArray[Any]

TILES, PICTURE, GATHERED, PLANES, READ, UPSAMPLED, WIDE, SUM = range(8)
# Multiplications of a kind for each pixel, input and output.
_PRODUCTS = {TILES: 36 / 16, PICTURE: 36 / 16, GATHERED: 9.0, PLANES: 1.0}


@dataclass(frozen=True, eq=False)
class Buffer:
    """What a step writes and others read, before it has a place in memory."""

    shape: tuple[int, ...]
    dtype: type = np.uint8

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def side(self) -> int:
        """Of square pixels, without the border."""
        return self.shape[0] - 2


def pixels(side: int, channels: int, dtype: type = np.uint8) -> Buffer:
    """A square map with its border."""
    return Buffer((side + 2, side + 2, channels), dtype)


class Task(NamedTuple):
    """A step whose buffers have no places yet; see kernels/network.c.

    Attributes:
        kind: what it does.
        side: of the square that it makes.
        sources: what it reads.
        target: what it makes.
        outputs: channels of that.
        dilation: of a convolution.
        packed: its weights.
        added: pixels that are added to the result.
        pooled: the greatest of each 2×2 pixels of the result.
    """

    kind: int
    side: int
    sources: list[Buffer]
    target: Buffer
    outputs: int = 0
    dilation: int = 0
    packed: Packed | None = None
    added: Buffer | None = None
    pooled: Buffer | None = None

    @property
    def reads(self) -> list[Buffer]:
        return self.sources if self.added is None else [*self.sources, self.added]

    @property
    def products(self) -> int:
        """Multiplications."""
        inputs = sum(source.channels for source in self.sources)
        outputs = LANES if self.kind == PLANES else self.outputs
        return int(_PRODUCTS.get(self.kind, 0) * self.side**2 * inputs * outputs)


class _Wide(ctypes.Structure):
    _fields_ = (("rows", ctypes.c_void_p), ("count", ctypes.c_int64))


class _Step(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int32),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("inputs", ctypes.c_int32 * 2),
        ("outputs", ctypes.c_int32),
        ("dilation", ctypes.c_int32),
        ("sides", ctypes.c_int32),
        ("sources", ctypes.c_void_p * 2),
        ("weights", ctypes.c_void_p),
        ("scale", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("added", ctypes.c_void_p),
        ("target", ctypes.c_void_p),
        ("pooled", ctypes.c_void_p),
    )


class Plan:
    """Tasks in memory of their own; one run at a time, by as many threads as call :meth:`run` with its progress.

    Args:
        tasks: in the order in which they run.
        kept: buffers that are read or written from outside.
    """

    def __init__(self, tasks: Sequence[Task], kept: Sequence[Buffer]) -> None:
        self._places = _placed(tasks, kept)
        self._alive: list[Any] = [task.packed for task in tasks]
        self._steps = (_Step * len(tasks))(*(self._step(task) for task in tasks))

    def memory(self, buffer: Buffer) -> Array:
        """Of a buffer that is kept."""
        return self._places[buffer]

    def read_from(self, image: NDArray[np.uint8]) -> None:
        """The bytes of RGB, [side, side, 3] without gaps, for a first step that is READ; they are not copied."""
        self._steps[0].sources[0] = image.ctypes.data

    def progress(self) -> NDArray[np.int32]:
        """Of a run that has not begun."""
        return aligned_zeros((len(self._steps), 16), np.int32)

    def run(self, progress: NDArray[np.int32], first: int = 0) -> None:
        """Do what others leave to do, from step ``first`` on; when one of them returns, all is done.

        Raises:
            MemoryError: there is none left for this thread.
        """
        kernels = compiled_kernels()
        assert kernels is not None
        steps = ctypes.c_void_p(ctypes.addressof(self._steps) + first * ctypes.sizeof(_Step))
        if kernels.streamseg_network(steps, len(self._steps) - first, ctypes.c_void_p(progress.ctypes.data)):
            raise MemoryError("no memory left for the network")

    def _step(self, task: Task) -> _Step:
        several = task.kind == SUM
        inputs = [] if several else [source.channels for source in task.sources]
        sources = [self._listed(task.sources)] if several else [self._address(source) for source in task.sources]
        step = _Step(task.kind, task.side, task.side, _pair(inputs, 0), task.outputs, task.dilation, len(task.sources))
        step.sources = _pair(sources, None)
        if task.packed is not None:
            step.weights, step.scale, step.bias = (part.ctypes.data for part in task.packed)
        step.added, step.target, step.pooled = (self._address(x) for x in (task.added, task.target, task.pooled))
        return step

    def _address(self, buffer: Buffer | None) -> int | None:
        place = None if buffer is None else self._places.get(buffer)
        return None if place is None else place.ctypes.data

    def _listed(self, wide: list[Buffer]) -> int:
        items = (_Wide * len(wide))(*[_Wide(self._address(item), item.shape[0]) for item in wide])
        self._alive.append(items)
        return ctypes.addressof(items)


def _pair(values: list[Any], nothing: Any) -> tuple[Any, Any]:
    first, second = [*values, nothing, nothing][:2]
    return first, second


def _placed(tasks: Sequence[Task], kept: Sequence[Buffer]) -> dict[Buffer, Array]:
    """Memory for what is read by anyone. Buffers of one shape share it where they can: borders stay zero then."""
    last = {buffer: k for k, task in enumerate(tasks) for buffer in task.reads}
    last |= dict.fromkeys(kept, len(tasks))
    places = {buffer: aligned_zeros(buffer.shape, buffer.dtype) for buffer in kept}
    free: defaultdict[tuple[Any, ...], list[Array]] = defaultdict(list)
    for k, task in enumerate(tasks):
        for buffer in (task.target, task.pooled):
            if buffer is not None and buffer in last and buffer not in places:
                unused = free[buffer.shape, buffer.dtype]
                places[buffer] = unused.pop() if unused else aligned_zeros(buffer.shape, buffer.dtype)
        for buffer in set(task.reads):
            if last[buffer] == k:
                free[buffer.shape, buffer.dtype].append(places[buffer])
    return places
