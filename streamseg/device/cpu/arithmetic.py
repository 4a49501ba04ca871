"""The arithmetic of mattes in C: the twin of streamseg.matting.arithmetic.NumPyArithmetic."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streamseg.device.cpu.compiled import compiled_kernels
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.arithmetic import Arithmetic, NumPyArithmetic
from streamseg.matting.arrays import Image, halve
from streamseg.matting.boxes import Box
from streamseg.matting.edges import FIELDS, local_radius
from streamseg.matting.motion import Motion
from streamseg.matting.sharp import about_subject
from streamseg.matting.steady import (
    BESIDE,
    LEVELS,
    LIMITS,
    Memory,
    Observation,
    coarse_cells,
    heaviest,
    places_in,
)
from streamseg.matting.stretch import sample_type

__all__ = ["KernelArithmetic", "best_arithmetic"]


class _PlaneView(ctypes.Structure):
    """A plane as the kernels see it; ``stride`` in samples."""

    _fields_ = (
        ("samples", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
    )


def _floats(dimensions: int) -> Any:
    return np.ctypeslib.ndpointer(np.float32, dimensions, flags="C_CONTIGUOUS")


_INT, _LONG, _FLOAT, _ADDRESS = ctypes.c_int, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
_PLANES = ctypes.POINTER(_PlaneView)
_MOTION = [_floats(3), _floats(2), _INT, _INT]
_SIGNATURES: dict[str, list[Any]] = {
    "shrink": [_PLANES, _INT, _FLOAT, _INT, _INT, _floats(2)],
    "stretch": [_floats(2), _INT, _INT, _FLOAT, _INT, _ADDRESS, _INT, _INT, _INT],
    "flow": [_floats(2), _floats(2), _INT, _INT, _floats(3)],
    "agreement": [_floats(2), _floats(2), _floats(3), _INT, _INT, _floats(2)],
    "reversed": [_floats(3), _INT, _INT, _floats(3)],
    "at_contours": [*_MOTION, _floats(2), _INT, _INT, _floats(3)],
    "observe": [_floats(2), _INT, _INT, _FLOAT, _FLOAT, _FLOAT, _floats(1), _INT, _floats(1), _INT, _floats(2)],
    "mix": [_floats(3), _INT, _INT, *_MOTION, _FLOAT, *[_ADDRESS] * 3, _floats(3), ctypes.POINTER(_FLOAT)],
    "settle": [_floats(2), _floats(2), _INT, _INT, *_MOTION, _floats(2)],
    "add_carried": [_floats(2), _INT, _INT, *_MOTION, *[_FLOAT] * 3, _floats(2), _floats(2)],
    "enlarge": [_floats(2), _INT, _INT, _ADDRESS, _INT, _INT, _INT],
    "local_colours": [_PLANES, _INT, _FLOAT, _floats(2), *[_INT] * 7, _floats(3)],
    "refine": [_ADDRESS, _INT, _INT, _PLANES, _PLANES, *[_INT] * 3, _FLOAT, _floats(3), _INT, _INT],
    "blend": [*[_ADDRESS, _LONG] * 3, *[_INT] * 4, _ADDRESS, _LONG, _INT],
}


class KernelArithmetic:
    """See streamseg.matting.arithmetic.Arithmetic. The interpreter's lock is free meanwhile.

    Args:
        library: the compiled kernels.
    """

    name = "C"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._kernels = {name: _checked(library[f"streamseg_{name}"], types) for name, types in _SIGNATURES.items()}

    def shrink(self, plane: Plane, width: int, height: int, maximum: int) -> Image:
        small = np.empty((height, width), np.float32)
        plane = _packed(plane)
        self._kernels["shrink"](_views([plane]), plane.itemsize > 1, 255 / maximum, height, width, small)
        return small

    def stretch(self, image: Image, width: int, height: int, maximum: int) -> Plane:
        codes: Plane = np.empty((height, width), sample_type(maximum))
        given = np.ascontiguousarray(image), *image.shape, maximum / 255, maximum
        self._kernels["stretch"](*given, codes.ctypes.data, height, width, codes.itemsize > 1)
        return codes

    def motion_between(self, here: Image, there: Image) -> Motion:
        here, there = np.ascontiguousarray(here), np.ascontiguousarray(there)
        _alike(here, there)
        flow = np.empty((2, *here.shape), np.float32)
        self._kernels["flow"](here, there, *here.shape, flow)
        return Motion(flow, self._agreement(here, there, flow))

    def reversed_motion(self, motion: Motion, here: Image, there: Image) -> Motion:
        _alike(here, there, *motion.flow)
        flow = np.empty(motion.flow.shape, np.float32)
        self._kernels["reversed"](np.ascontiguousarray(motion.flow), *here.shape, flow)
        return Motion(flow, self._agreement(np.ascontiguousarray(here), np.ascontiguousarray(there), flow))

    def _agreement(self, here: Image, there: Image, flow: Image) -> Image:
        agreement = np.empty_like(here)
        self._kernels["agreement"](here, there, flow, *here.shape, agreement)
        return agreement

    def at_contours(self, motion: Motion, alpha: Image) -> Motion:
        flow = np.empty(motion.flow.shape, np.float32)
        self._kernels["at_contours"](*_parts(motion), np.ascontiguousarray(alpha), *alpha.shape, flow)
        return replace(motion, flow=flow)

    def observe(self, saliency: Image, box: Box, shape: tuple[int, int], substance: float) -> Observation:
        down, across = places_in(box, shape, saliency.shape)
        seen = np.empty((len(down), len(across)), np.float32)
        saliency = np.ascontiguousarray(saliency)
        places = down, len(down), across, len(across)
        self._kernels["observe"](saliency, *saliency.shape, *LEVELS, substance, *places, seen)
        return Observation(seen, box, shape)

    def mix(
        self, memory: Memory, motion: Motion, observation: Observation | None, strength: float, tracked: Box | None
    ) -> Memory:
        state = np.empty_like(memory.state)
        seen = cells = coarse = None
        if observation is not None:
            _alike(memory.alpha[observation.cells], observation.alpha)
            seen, cells = np.ascontiguousarray(observation.alpha), _bounds(observation.cells)
            there = coarse_cells(observation, tracked)
            coarse = None if there is None else _bounds(there)
        sight = [None if part is None else part.ctypes.data for part in (seen, cells, coarse)]
        surprise, given = _FLOAT(), (memory.state, *state.shape[1:], *_parts(motion))
        self._kernels["mix"](*given, heaviest(strength), *sight, state, ctypes.byref(surprise))
        return Memory(state, surprise.value)

    def settle(self, memory: Memory, later: Image, motion: Motion) -> Image:
        later = np.ascontiguousarray(later)
        _alike(memory.alpha, later)
        settled = np.empty_like(later)
        self._kernels["settle"](memory.alpha, later, *later.shape, *_parts(motion), settled)
        return settled

    def even(self, alpha: Image, neighbours: Iterable[tuple[Image, Motion]]) -> Image:
        total, weight = np.clip(np.ascontiguousarray(alpha), *LIMITS), np.ones(alpha.shape, np.float32)
        for other, motion in neighbours:
            _alike(alpha, other)
            given = (np.ascontiguousarray(other), *alpha.shape, *_parts(motion))
            self._kernels["add_carried"](*given, *LIMITS, BESIDE, total, weight)
        total /= weight
        return total

    def enlarge(self, alpha: Image, width: int, height: int, dtype: DTypeLike) -> NDArray[Any]:
        codes = np.empty((height, width), dtype)
        wide = codes.itemsize > 1
        self._kernels["enlarge"](np.ascontiguousarray(alpha), *alpha.shape, codes.ctypes.data, height, width, wide)
        return codes

    def refine_edges(self, frame: Frame, alpha: Image, codes: Plane) -> Frame:
        if not codes.flags.c_contiguous:
            raise ValueError("codes that are not contiguous cannot be refined in place")
        _alike(codes, frame.planes[0], of_one_type=True)
        alpha = halve(np.ascontiguousarray(alpha))
        about = about_subject(alpha, local_radius(*alpha.shape))
        if about is None:
            return frame
        planes, form = [_packed(plane) for plane in frame.planes[:3]], frame.format
        painted = [plane.copy() for plane in planes]
        local = self._local_colours(planes, form.maximum, alpha, about)
        views = _views(planes), _views(painted), codes.itemsize > 1, form.shift_x, form.shift_y
        self._kernels["refine"](codes.ctypes.data, *codes.shape, *views, form.maximum, local, *alpha.shape)
        return replace(frame, planes=(*painted, *frame.planes[3:]), native=None)

    def _local_colours(self, planes: list[Plane], maximum: int, alpha: Image, about: tuple[slice, slice]) -> Image:
        local = np.zeros((FIELDS, *alpha.shape), np.float32)
        where = *_bounds(about).tolist(), local_radius(*alpha.shape)
        given = _views(planes), planes[0].itemsize > 1, 1 / maximum
        self._kernels["local_colours"](*given, alpha, *alpha.shape, *where, local)
        return local

    def composite_into(self, out: Frame, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> None:
        alpha, form = _packed(matte.alpha), frame.format
        _alike(alpha, frame.planes[0], of_one_type=True)
        shifts = (0, 0), *[(form.shift_x, form.shift_y)] * 2
        for plane, behind, target, shift in zip(frame.planes[:3], background, out.planes, shifts, strict=False):
            _alike(plane, behind, target, of_one_type=True)
            plane, behind = _packed(plane), _packed(behind)
            given = (*_address(plane), *_address(behind), *_address(alpha), *alpha.shape, *shift, *_address(target))
            self._kernels["blend"](*given, alpha.itemsize > 1)


def _checked(kernel: Any, types: list[Any]) -> Callable[..., None]:
    kernel.argtypes, kernel.restype = types, _INT

    def call(*arguments: Any) -> None:
        if kernel(*arguments):
            raise MemoryError("no memory left for a step of the matte")

    return call


def _alike(*arrays: NDArray[Any], of_one_type: bool = False) -> None:
    """Kernels believe what they are told: arrays of other sizes would be read beyond their ends."""
    shapes, types = {array.shape for array in arrays}, {array.dtype for array in arrays}
    if len(shapes) > 1 or (of_one_type and len(types) > 1):
        found = ", ".join(f"{array.dtype} {array.shape}" for array in arrays)
        raise ValueError(f"arrays are {found}: expected one shape{' and type' if of_one_type else ''}")


def _parts(motion: Motion) -> tuple[Any, ...]:
    _alike(*motion.flow, motion.agreement)
    return np.ascontiguousarray(motion.flow), np.ascontiguousarray(motion.agreement), *motion.agreement.shape


def _bounds(cells: tuple[slice, slice]) -> NDArray[np.int32]:
    """First row and the one after the last, and columns likewise."""
    return np.array([side for cell in cells for side in (cell.start, cell.stop)], np.int32)


def _packed(plane: Plane) -> Plane:
    """The plane, copied where the samples of a row do not follow one another: a colour of a pixel by pixel picture, or
    a plane that is one sample seen everywhere."""
    return plane if plane.strides[1] == plane.itemsize else np.ascontiguousarray(plane)


def _address(plane: Plane) -> tuple[int, int]:
    """Of the first sample, and the samples from row to row."""
    if plane.strides[1] != plane.itemsize:
        raise ValueError(f"samples of a row are {plane.strides[1]} bytes apart: expected {plane.itemsize}")
    return plane.ctypes.data, plane.strides[0] // plane.itemsize


def _views(planes: list[Plane]) -> Any:
    return (_PlaneView * len(planes))(*(_PlaneView(*_address(plane), *plane.shape) for plane in planes))


@cache
def best_arithmetic() -> Arithmetic:
    """That of the kernels; NumPy's where they were not compiled."""
    kernels = compiled_kernels()
    return NumPyArithmetic() if kernels is None else KernelArithmetic(kernels)
