"""Steps of kernels/network.c and the memory that they work on.

Feature maps are uint8 [rows + 2, columns + 2, channels] with a border of zeros.
"""

from __future__ import annotations

import ctypes
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.compiled import compiled_kernels
from streamseg.device.cpu.integer.packing import LANES, PackedWeights, aligned_zeros
from streamseg.errors import OptionError

__all__ = [
    "INSTRUCTIONS_VARIABLE",
    "Buffer",
    "Instructions",
    "Plan",
    "Step",
    "StepKind",
    "feature_map",
    "supported_instructions",
]

Array = NDArray[Any]

#: Variable of the environment: the fastest instructions that are used, to compare them.
INSTRUCTIONS_VARIABLE = "STREAMSEG_INSTRUCTIONS"
# What MATRIX_TILES may read behind a feature map: pixels of a whole block, of which a row lacks most.
_READ_BEHIND = 128 * 66


class Instructions(IntEnum):
    """With which instructions a plan runs, the fastest last; ``enum Instructions`` of kernels/step.h has the same."""

    AVX2 = 0
    AVX_VNNI = 1
    AVX512_VNNI = 2
    AMX = 3


def supported_instructions() -> tuple[Instructions, ...]:
    """What this processor and the compiled kernels have, the fastest last.

    None faster than those that STREAMSEG_INSTRUCTIONS in the environment names: avx2, avx_vnni, avx512_vnni or amx.

    Raises:
        OptionError: it names no instructions.
    """
    kernels = compiled_kernels()
    found = 0 if kernels is None else int(kernels.streamseg_integer_network_instructions())
    return tuple(each for each in Instructions if found >> each & 1 and each <= _fastest_allowed())


def _fastest_allowed() -> Instructions:
    name = os.environ.get(INSTRUCTIONS_VARIABLE) or "amx"
    names = {each.name.lower(): each for each in Instructions}
    if name.lower() not in names:
        raise OptionError(f"{INSTRUCTIONS_VARIABLE} is {name!r}: expected {', '.join(names)}")
    return names[name.lower()]


class StepKind(IntEnum):
    """What a step does; ``enum StepKind`` of kernels/step.h has the same values and says what each means."""

    WINOGRAD = 0
    WINOGRAD_IMAGE = 1
    IM2COL = 2
    TAP_PLANES = 3
    LOAD_IMAGE = 4
    UPSAMPLE = 5
    SUM_TAPS = 6
    SUM_SIDES = 7
    MAX_POOL = 8
    LOAD_HALVES = 9
    MATRIX_TILES = 10


# Multiplications for each output pixel, input channel and output channel.
_MULTIPLICATIONS = {
    StepKind.WINOGRAD: 36 / 16,
    StepKind.WINOGRAD_IMAGE: 36 / 16,
    StepKind.IM2COL: 9.0,
    StepKind.TAP_PLANES: 1.0,
    StepKind.MATRIX_TILES: 9.0,
}


@dataclass(frozen=True, eq=False)
class Buffer:
    """What one step writes and others read, before memory is allocated for it."""

    shape: tuple[int, ...]
    dtype: type = np.uint8

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def side(self) -> int:
        """Of a square feature map, without its border."""
        return self.shape[0] - 2


def feature_map(side: int, channels: int, dtype: type = np.uint8) -> Buffer:
    """A square feature map with its border."""
    return Buffer((side + 2, side + 2, channels), dtype)


class Step(NamedTuple):
    """A step before memory is allocated for its buffers.

    Attributes:
        kind: what it does.
        side: of its square output; of SUM_TAPS, of its input.
        inputs: what it reads; feature maps as if they were concatenated.
        output: what it writes.
        output_channels: of a feature map; of SUM_TAPS, the columns of the output.
        dilation: of a convolution.
        packed: weights of a convolution, the level table of LOAD_IMAGE, or the bias of SUM_SIDES.
        residual: feature map that is added to the output.
        pooled: 2×2 max pooling of the output, which a step of kind WINOGRAD writes besides.
    """

    kind: StepKind
    side: int
    inputs: list[Buffer]
    output: Buffer
    output_channels: int = 0
    dilation: int = 0
    packed: PackedWeights | None = None
    residual: Buffer | None = None
    pooled: Buffer | None = None

    @property
    def reads(self) -> list[Buffer]:
        return self.inputs if self.residual is None else [*self.inputs, self.residual]

    @property
    def multiplications(self) -> int:
        """Those that the step really does: fewer by Winograd's method."""
        input_channels = sum(buffer.channels for buffer in self.inputs)
        output_channels = LANES if self.kind == StepKind.TAP_PLANES else self.output_channels
        return int(_MULTIPLICATIONS.get(self.kind, 0) * self.side**2 * input_channels * output_channels)


class _CSideRows(ctypes.Structure):
    """``SideRows`` of kernels/step.h."""

    _fields_ = (("values", ctypes.c_void_p), ("rows", ctypes.c_int64))


class _CStep(ctypes.Structure):
    """``Step`` of kernels/step.h, written a second time: the fields must agree in type and order."""

    _fields_ = (
        ("kind", ctypes.c_int32),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("input_channels", ctypes.c_int32 * 2),
        ("output_channels", ctypes.c_int32),
        ("dilation", ctypes.c_int32),
        ("input_count", ctypes.c_int32),
        ("inputs", ctypes.c_void_p * 2),
        ("weights", ctypes.c_void_p),
        ("scale", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("residual", ctypes.c_void_p),
        ("output", ctypes.c_void_p),
        ("pooled", ctypes.c_void_p),
    )


class Plan:
    """Steps with memory of their own; one run at a time, shared by all threads that call :meth:`run` for it.

    Args:
        steps: in the order in which they run.
        external: buffers that the caller reads or writes.
        instructions: that it runs with; the fastest if None.

    Raises:
        RuntimeError: the compiled kernels are of another version than this module.
    """

    def __init__(
        self, steps: Sequence[Step], external: Sequence[Buffer], instructions: Instructions | None = None
    ) -> None:
        self._kernels = _matching_kernels()
        self._instructions = supported_instructions()[-1] if instructions is None else instructions
        self._arrays = _allocate(steps, external)
        self._kept_alive: list[Any] = [step.packed for step in steps]
        self._steps = (_CStep * len(steps))(*(self._c_step(step) for step in steps))

    def array(self, buffer: Buffer) -> Array:
        """The memory of an external buffer."""
        return self._arrays[buffer]

    def set_image(self, rgb: NDArray[np.uint8]) -> None:
        """Sets the input of a first step that loads the image: uint8 RGB [side, side, 3], contiguous; not copied."""
        self._steps[0].inputs[0] = rgb.ctypes.data

    def new_progress(self) -> NDArray[np.int32]:
        """Progress of a run that has not started."""
        return aligned_zeros((len(self._steps), 16), np.int32)

    def run(self, progress: NDArray[np.int32], first: int = 0) -> None:
        """Does what other threads with the same progress leave to do, from step ``first`` on.

        When one of them returns, the run is complete.

        Raises:
            MemoryError: there is none left for this thread.
        """
        steps = ctypes.c_void_p(ctypes.addressof(self._steps) + first * ctypes.sizeof(_CStep))
        count = len(self._steps) - first
        pointer = ctypes.c_void_p(progress.ctypes.data)
        if self._kernels.streamseg_integer_network_run(steps, count, pointer, int(self._instructions)):
            raise MemoryError("no memory left for the network")

    def _c_step(self, step: Step) -> _CStep:
        input_channels: list[int] = []
        inputs: list[int | None]
        if step.kind == StepKind.SUM_SIDES:
            inputs = [self._side_rows(step.inputs)]
        else:
            input_channels = [buffer.channels for buffer in step.inputs]
            inputs = [self._address(buffer) for buffer in step.inputs]
        channels, side = step.output_channels, step.side
        c_step = _CStep(step.kind, side, side, _pair(input_channels, 0), channels, step.dilation, len(step.inputs))
        c_step.inputs = _pair(inputs, None)
        if step.packed is not None:
            c_step.weights, c_step.scale, c_step.bias = (array.ctypes.data for array in step.packed)
        c_step.residual, c_step.output = self._address(step.residual), self._address(step.output)
        c_step.pooled = self._address(step.pooled)
        return c_step

    def _address(self, buffer: Buffer | None) -> int | None:
        array = None if buffer is None else self._arrays.get(buffer)
        return None if array is None else array.ctypes.data

    def _side_rows(self, sides: list[Buffer]) -> int:
        rows = (_CSideRows * len(sides))(*[_CSideRows(self._address(side), side.shape[0]) for side in sides])
        self._kept_alive.append(rows)
        return ctypes.addressof(rows)


def _matching_kernels() -> ctypes.CDLL:
    kernels = compiled_kernels()
    size = 0 if kernels is None else kernels.streamseg_integer_network_step_size()
    if kernels is None or size != ctypes.sizeof(_CStep):
        expected = ctypes.sizeof(_CStep)
        raise RuntimeError(f"compiled kernels: a step has {size} bytes, expected {expected}: install streamseg again")
    return kernels


def _pair(values: list[Any], filler: Any) -> tuple[Any, Any]:
    first, second = [*values, filler, filler][:2]
    return first, second


def _allocate(steps: Sequence[Step], external: Sequence[Buffer]) -> dict[Buffer, Array]:
    """Memory for all buffers that are read.

    Buffers share memory where one is no longer read when the other is written, but only those of one shape: so borders
    stay zero.
    """
    last_read = {buffer: k for k, step in enumerate(steps) for buffer in step.reads}
    last_read |= dict.fromkeys(external, len(steps))
    arrays = {buffer: _zeros(buffer) for buffer in external}
    free: defaultdict[tuple[Any, ...], list[Array]] = defaultdict(list)
    for k, step in enumerate(steps):
        for buffer in (step.output, step.pooled):
            if buffer is not None and buffer in last_read and buffer not in arrays:
                unused = free[buffer.shape, buffer.dtype]
                arrays[buffer] = unused.pop() if unused else _zeros(buffer)
        for buffer in set(step.reads):
            if last_read[buffer] == k:
                free[buffer.shape, buffer.dtype].append(arrays[buffer])
    return arrays


def _zeros(buffer: Buffer) -> Array:
    return aligned_zeros(buffer.shape, buffer.dtype, _READ_BEHIND)
