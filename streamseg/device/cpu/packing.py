"""The packaged weights as the kernels of kernels/network.c read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["LANES", "Packed", "aligned_zeros", "pack_gathered", "pack_picture", "pack_planes", "pack_tiles"]

LANES = 16
"""Channels that are made at a time."""

# The order of sums in which two registers of them become one of pixels.
_ORDER = np.r_[0:4, 8:12, 4:8, 12:16]
# G of Winograd's F(4×4, 3×3), each row times what makes it whole: 24, and 12 for the last.
_WHOLE_G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 12]])
# What sums of the kernel are, of plain ones.
_TIMES = 24**2
# Bytes of a line of the cache.
_LINE = 64

Array = NDArray[Any]
Tensors = Mapping[str, Array]


class Packed(NamedTuple):
    """Of one convolution.

    Attributes:
        weights: int16 [outputs / LANES, positions, inputs / 2, LANES, 2].
        scale, bias: float32 [outputs]: a sum times the scale, plus the bias, is the result.
    """

    weights: Array
    scale: Array
    bias: Array


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Zeros that begin where a line of the cache does."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def pack_tiles(tensors: Tensors, name: str, unit: float = 1.0) -> Packed:
    """A convolution of 3×3 in tiles: GgGᵀ of Winograd's method in whole numbers.

    Args:
        unit: of its inputs, in those of its outputs.

    Raises:
        ValueError: inputs of 8 bits could make a sum that 32 bits do not hold.
    """
    kernel = tensors[f"{name}.weight"].astype(np.int64)
    largest = 255 * _TIMES * max(np.maximum(sign * kernel, 0).sum(axis=(1, 2, 3)).max() for sign in (1, -1))
    if largest >= 2**31:
        raise ValueError(f"{name}: sums may reach {largest:.3g}: expected less than 2³¹")
    positions = np.einsum("ia,ocab,jb->ijco", _WHOLE_G, kernel, _WHOLE_G)
    return _packed(tensors, name, positions.reshape(36, *positions.shape[2:]), unit / _TIMES)


def pack_picture(tensors: Tensors, name: str, unit: float) -> Packed:
    """The same, of three channels of which the kernel reads four."""
    weight = np.pad(tensors[f"{name}.weight"], ((0, 0), (0, 1), (0, 0), (0, 0)))
    return pack_tiles({**tensors, f"{name}.weight": weight}, name, unit)


def pack_gathered(tensors: Tensors, name: str) -> Packed:
    """A dilated convolution, whose inputs are [9, channels]."""
    kernel = tensors[f"{name}.weight"]
    return _packed(tensors, name, kernel.transpose(2, 3, 1, 0).reshape(1, -1, len(kernel)), 1.0)


def pack_planes(tensors: Tensors, name: str) -> Packed:
    """A convolution of 1×1 to a few planes, whose results are real numbers and no 8-bit integers."""
    kernel, step = tensors[f"{name}.weight"][..., 0, 0], tensors[f"{name}.step"] / np.float32(255)
    missing = LANES - len(kernel)
    weights = np.pad(kernel, ((0, missing), (0, 0))).T[None]
    return Packed(_in_lanes(weights), _aligned(np.pad(step, (0, missing))), np.zeros(0, np.float32))


def _packed(tensors: Tensors, name: str, weights: Array, unit: float) -> Packed:
    """Of weights [positions, inputs, outputs]."""
    order = (np.arange(0, weights.shape[-1], LANES)[:, None] + _ORDER).reshape(-1)
    scale, bias = tensors[f"{name}.step"] * np.float32(unit), tensors[f"{name}.bias"] * np.float32(255)
    return Packed(_in_lanes(weights[..., order]), _aligned(scale[order]), _aligned(bias[order]))


def _in_lanes(weights: Array) -> Array:
    positions, inputs, outputs = weights.shape
    split = weights.reshape(positions, inputs // 2, 2, outputs // LANES, LANES)
    return _aligned(split.transpose(3, 0, 1, 4, 2).astype(np.int16))


def _aligned(values: Array) -> Array:
    copied = aligned_zeros(values.shape, values.dtype)
    copied[...] = values
    return copied
