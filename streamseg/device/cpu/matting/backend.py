"""The matting backend in C, compiled at installation; the reference is streamseg.matting.backend.NumPyBackend."""

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
from streamseg.matting.arrays import Image, halve
from streamseg.matting.backend import MattingBackend, NumPyBackend
from streamseg.matting.compositing.blur import gaussian_kernel
from streamseg.matting.constants import ALPHA_HIGH, ALPHA_LOW, EDGE_FIELDS
from streamseg.matting.edges.colours import local_radius
from streamseg.matting.edges.refine import foreground_window
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.resampling import sample_type
from streamseg.matting.temporal.filter import MatteState, Observation, halved_cells, max_weight, sample_positions
from streamseg.matting.tracking.roi import ROI

__all__ = ["CBackend", "best_backend"]


class _PlaneView(ctypes.Structure):
    """struct Plane of kernels.h; ``stride`` in samples."""

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
    "downscale": [_PLANES, _INT, _FLOAT, _INT, _INT, _floats(2)],
    "upscale": [_floats(2), _INT, _INT, _FLOAT, _INT, _ADDRESS, _INT, _INT, _INT],
    "flow": [_floats(2), _floats(2), _INT, _INT, _floats(3)],
    "flow_confidence": [_floats(2), _floats(2), _floats(3), _INT, _INT, _floats(2)],
    "reverse_flow": [_floats(3), _INT, _INT, _floats(3)],
    "layer_motion": [*_MOTION, _floats(2), _INT, _INT, _floats(3)],
    "observe": [_floats(2), _INT, _INT, _FLOAT, _floats(1), _INT, _floats(1), _INT, _floats(2)],
    "update": [_floats(3), _INT, _INT, *_MOTION, _FLOAT, *[_ADDRESS] * 3, _floats(3), ctypes.POINTER(_FLOAT)],
    "smooth": [_floats(2), _floats(2), _INT, _INT, *_MOTION, _floats(2)],
    "add_neighbour": [_floats(2), _INT, _INT, *_MOTION, _floats(2), _floats(2)],
    "ambiguous": [_floats(2), _INT, _INT, _floats(2), ctypes.POINTER(_INT)],
    "decide": [_floats(2), _ADDRESS, _floats(2), _INT, _INT, _floats(2)],
    "upsample_alpha": [_floats(2), _INT, _INT, _ADDRESS, _INT, _INT, _INT],
    "local_colours": [_PLANES, _INT, _FLOAT, _floats(2), *[_INT] * 7, _floats(3)],
    "refine": [_ADDRESS, _INT, _INT, _PLANES, _PLANES, *[_INT] * 3, _FLOAT, _floats(3), _INT, _INT],
    "background_weight": [_floats(2), _INT, _INT, _floats(2)],
    "fill_and_blur": [_floats(3), _INT, _INT, _INT, _floats(2), _floats(1), _INT, _floats(1), _INT, _floats(3)],
    "blend": [*[_ADDRESS, _LONG] * 3, *[_INT] * 4, _ADDRESS, _LONG, _INT],
}


class CBackend:
    """See streamseg.matting.backend.MattingBackend. The interpreter's lock is released meanwhile.

    Args:
        library: the compiled kernels.
    """

    name = "C"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._kernels = {name: _checked(library[f"streamseg_{name}"], types) for name, types in _SIGNATURES.items()}

    def downscale(self, plane: Plane, width: int, height: int, maximum: int) -> Image:
        small = np.empty((height, width), np.float32)
        plane = _contiguous_rows(plane)
        self._kernels["downscale"](_views([plane]), plane.itemsize > 1, 255 / maximum, height, width, small)
        return small

    def upscale(self, image: Image, width: int, height: int, maximum: int) -> Plane:
        codes: Plane = np.empty((height, width), sample_type(maximum))
        arguments = np.ascontiguousarray(image), *image.shape, maximum / 255, maximum
        self._kernels["upscale"](*arguments, codes.ctypes.data, height, width, codes.itemsize > 1)
        return codes

    def estimate_motion(self, here: Image, there: Image) -> Motion:
        here, there = np.ascontiguousarray(here), np.ascontiguousarray(there)
        _check_shapes(here, there)
        flow = np.empty((2, *here.shape), np.float32)
        self._kernels["flow"](here, there, *here.shape, flow)
        return Motion(flow, self._confidence(here, there, flow))

    def reverse_motion(self, motion: Motion, here: Image, there: Image) -> Motion:
        _check_shapes(here, there, *motion.flow)
        flow = np.empty(motion.flow.shape, np.float32)
        self._kernels["reverse_flow"](np.ascontiguousarray(motion.flow), *here.shape, flow)
        return Motion(flow, self._confidence(np.ascontiguousarray(here), np.ascontiguousarray(there), flow))

    def _confidence(self, here: Image, there: Image, flow: Image) -> Image:
        confidence = np.empty_like(here)
        self._kernels["flow_confidence"](here, there, flow, *here.shape, confidence)
        return confidence

    def layer_motion(self, motion: Motion, alpha: Image) -> Motion:
        flow = np.empty(motion.flow.shape, np.float32)
        self._kernels["layer_motion"](*_motion_arguments(motion), np.ascontiguousarray(alpha), *alpha.shape, flow)
        return replace(motion, flow=flow)

    def observe(self, saliency: Image, roi: ROI, shape: tuple[int, int], content: float) -> Observation:
        down, across = sample_positions(roi, shape, saliency.shape)
        alpha = np.empty((len(down), len(across)), np.float32)
        positions = down, len(down), across, len(across)
        self._kernels["observe"](np.ascontiguousarray(saliency), *saliency.shape, content, *positions, alpha)
        return Observation(alpha, roi, shape)

    def update(
        self, state: MatteState, motion: Motion, observation: Observation | None, strength: float, roi: ROI | None
    ) -> MatteState:
        values, innovation = np.empty_like(state.values), _FLOAT()
        observed = cells = halved = None
        if observation is not None:
            _check_shapes(state.alpha[observation.cells], observation.alpha)
            observed, cells = np.ascontiguousarray(observation.alpha), _bounds(observation.cells)
            half = halved_cells(observation, roi)
            halved = None if half is None else _bounds(half)
        addresses = [None if part is None else part.ctypes.data for part in (observed, cells, halved)]
        arguments = state.values, *values.shape[1:], *_motion_arguments(motion), max_weight(strength)
        self._kernels["update"](*arguments, *addresses, values, ctypes.byref(innovation))
        return MatteState(values, innovation.value)

    def smooth(self, alpha: Image, later: Image, motion: Motion) -> Image:
        alpha, later = np.ascontiguousarray(alpha), np.ascontiguousarray(later)
        _check_shapes(alpha, later)
        smoothed = np.empty_like(later)
        self._kernels["smooth"](alpha, later, *later.shape, *_motion_arguments(motion), smoothed)
        return smoothed

    def average(self, alpha: Image, neighbours: Iterable[tuple[Image, Motion]]) -> Image:
        total, weight = np.clip(np.ascontiguousarray(alpha), ALPHA_LOW, ALPHA_HIGH), np.ones(alpha.shape, np.float32)
        for other, motion in neighbours:
            _check_shapes(alpha, other)
            arguments = np.ascontiguousarray(other), *alpha.shape, *_motion_arguments(motion)
            self._kernels["add_neighbour"](*arguments, total, weight)
        total /= weight
        return total

    def resolve(self, alpha: Image, before: Callable[[], Image] | None = None) -> Image:
        alpha, region, found = np.ascontiguousarray(alpha), np.empty(alpha.shape, np.float32), _INT()
        self._kernels["ambiguous"](alpha, *alpha.shape, region, ctypes.byref(found))
        if not found.value:
            return alpha
        previous, resolved = None if before is None else np.ascontiguousarray(before()), np.empty_like(alpha)
        if previous is not None:
            _check_shapes(alpha, previous)
        address = None if previous is None else previous.ctypes.data
        self._kernels["decide"](alpha, address, region, *alpha.shape, resolved)
        return resolved

    def upsample_alpha(self, alpha: Image, width: int, height: int, dtype: DTypeLike) -> NDArray[Any]:
        codes = np.empty((height, width), dtype)
        arguments = np.ascontiguousarray(alpha), *alpha.shape
        self._kernels["upsample_alpha"](*arguments, codes.ctypes.data, height, width, codes.itemsize > 1)
        return codes

    def refine_edges(self, frame: Frame, alpha: Image, codes: Plane) -> Frame:
        if not codes.flags.c_contiguous:
            raise ValueError("codes are not contiguous: expected an array that can be refined in place")
        _check_shapes(codes, frame.planes[0], same_dtype=True)
        alpha = halve(np.ascontiguousarray(alpha))
        window = foreground_window(alpha, local_radius(*alpha.shape))
        if window is None:
            return frame
        planes, form = [_contiguous_rows(plane) for plane in frame.planes[:3]], frame.format
        painted = [plane.copy() for plane in planes]
        local = self._local_colours(planes, form.maximum, alpha, window)
        views = _views(planes), _views(painted), codes.itemsize > 1, form.shift_x, form.shift_y
        self._kernels["refine"](codes.ctypes.data, *codes.shape, *views, form.maximum, local, *alpha.shape)
        return replace(frame, planes=(*painted, *frame.planes[3:]), native=None)

    def _local_colours(self, planes: list[Plane], maximum: int, alpha: Image, window: tuple[slice, slice]) -> Image:
        local = np.zeros((EDGE_FIELDS, *alpha.shape), np.float32)
        cells = *_bounds(window).tolist(), local_radius(*alpha.shape)
        arguments = _views(planes), planes[0].itemsize > 1, 1 / maximum
        self._kernels["local_colours"](*arguments, alpha, *alpha.shape, *cells, local)
        return local

    def background_weight(self, alpha: Image) -> Image:
        weight = np.empty(alpha.shape, np.float32)
        self._kernels["background_weight"](np.ascontiguousarray(alpha), *alpha.shape, weight)
        return weight

    def fill_and_blur(self, images: Image, weight: Image, sigma_y: float, sigma_x: float) -> Image:
        _check_shapes(weight, *images)
        filled, blurred = images.astype(np.float32, order="C"), np.empty(images.shape, np.float32)
        kernels = [part for sigma in (sigma_y, sigma_x) for part in _kernel_and_radius(sigma)]
        self._kernels["fill_and_blur"](filled, *images.shape, np.ascontiguousarray(weight), *kernels, blurred)
        return blurred

    def composite_into(self, out: Frame, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> None:
        alpha, form = _contiguous_rows(matte.alpha), frame.format
        _check_shapes(alpha, frame.planes[0], same_dtype=True)
        shifts = (0, 0), *[(form.shift_x, form.shift_y)] * 2
        for plane, background_plane, target, shift in zip(
            frame.planes[:3], background, out.planes, shifts, strict=False
        ):
            _check_shapes(plane, background_plane, target, same_dtype=True)
            plane, background_plane = _contiguous_rows(plane), _contiguous_rows(background_plane)
            arguments = (
                *_address(plane),
                *_address(background_plane),
                *_address(alpha),
                *alpha.shape,
                *shift,
                *_address(target),
            )
            self._kernels["blend"](*arguments, alpha.itemsize > 1)


def _checked(kernel: Any, types: list[Any]) -> Callable[..., None]:
    kernel.argtypes, kernel.restype = types, _INT

    def call(*arguments: Any) -> None:
        if kernel(*arguments):
            raise MemoryError("out of memory in a matting kernel")

    return call


def _check_shapes(*arrays: NDArray[Any], same_dtype: bool = False) -> None:
    """Kernels do not check sizes: they would read beyond the end of a smaller array."""
    shapes, types = {array.shape for array in arrays}, {array.dtype for array in arrays}
    if len(shapes) > 1 or (same_dtype and len(types) > 1):
        found = ", ".join(f"{array.dtype} {array.shape}" for array in arrays)
        raise ValueError(f"arrays are {found}: expected one shape{' and dtype' if same_dtype else ''}")


def _motion_arguments(motion: Motion) -> tuple[Any, ...]:
    _check_shapes(*motion.flow, motion.confidence)
    return np.ascontiguousarray(motion.flow), np.ascontiguousarray(motion.confidence), *motion.confidence.shape


def _kernel_and_radius(sigma: float) -> tuple[Image, int]:
    kernel = gaussian_kernel(sigma)
    return kernel, len(kernel) // 2


def _bounds(cells: tuple[slice, slice]) -> NDArray[np.int32]:
    """int32 [4]: first row, end of rows, first column, end of columns."""
    return np.array([side for cell in cells for side in (cell.start, cell.stop)], np.int32)


def _contiguous_rows(plane: Plane) -> Plane:
    """The plane, copied where the samples of a row are not contiguous: a channel of interleaved RGB, or a broadcast."""
    return plane if plane.strides[1] == plane.itemsize else np.ascontiguousarray(plane)


def _address(plane: Plane) -> tuple[int, int]:
    """Address of the first sample, and the stride in samples."""
    if plane.strides[1] != plane.itemsize:
        raise ValueError(f"samples of a row are {plane.strides[1]} bytes apart: expected {plane.itemsize}")
    return plane.ctypes.data, plane.strides[0] // plane.itemsize


def _views(planes: list[Plane]) -> Any:
    return (_PlaneView * len(planes))(*(_PlaneView(*_address(plane), *plane.shape) for plane in planes))


@cache
def best_backend() -> MattingBackend:
    """The C backend, or NumPy's where the kernels were not compiled."""
    kernels = compiled_kernels()
    return NumPyBackend() if kernels is None else CBackend(kernels)
