"""Quantised weights in the layout that kernels/network.c reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streamseg.errors import WeightsError

__all__ = [
    "LANES",
    "LARGEST_SUM",
    "PackedWeights",
    "aligned_zeros",
    "pack_im2col",
    "pack_matrix_tiles",
    "pack_matrix_tiles_image",
    "pack_tap_planes",
    "pack_winograd",
    "pack_winograd_image",
]

#: Output channels that the kernels compute at a time.
LANES = 16

# The order of output channels in which packing two registers into one puts them in their own order.
_LANE_ORDER = np.r_[0:4, 8:12, 4:8, 12:16]
# G of Winograd's F(4×4, 3×3), each row times the integer that makes it whole: 24, and 12 for the last.
_INTEGER_G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 12]])
# Sums of the kernels over those of the plain convolution.
_WINOGRAD_FACTOR = 24**2
#: The largest sum of the weights of one sign, of one output channel of a 3×3 convolution, that 32 bits have room for.
LARGEST_SUM = (2**31 - 1) // (255 * _WINOGRAD_FACTOR)
_CACHE_LINE = 64  # bytes

Array = NDArray[Any]
Tensors = Mapping[str, Array]


class PackedWeights(NamedTuple):
    """One convolution.

    Attributes:
        weights: int16 [outputs / LANES, positions, inputs / 2, LANES, 2]; of MATRIX_TILES, int8 [outputs / LANES,
            pieces, bytes of a piece / 4, LANES, 4].
        scale, bias: float32 [outputs]: an activation in units of 1/255 is sum·scale + bias.
    """

    weights: Array
    scale: Array
    bias: Array


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike, behind: int = 0) -> Array:
    """Zeros that start at the start of a cache line; so many bytes behind them may be read too."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + _CACHE_LINE + behind, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def pack_winograd(tensors: Tensors, name: str, input_unit: float = 1.0) -> PackedWeights:
    """A 3×3 convolution by Winograd's method: GgGᵀ in integers.

    Args:
        input_unit: unit of its inputs over that of its outputs.

    Raises:
        WeightsError: 8-bit inputs could make a sum that 32 bits do not hold.
    """
    kernel = tensors[f"{name}.weight"].astype(np.int64)
    largest = max(np.maximum(sign * kernel, 0).sum(axis=(1, 2, 3)).max() for sign in (1, -1))
    if largest > LARGEST_SUM:
        raise WeightsError(f"{name}: weights of one sign add up to {largest}: expected {LARGEST_SUM} or less")
    transformed = np.einsum("ia,ocab,jb->ijco", _INTEGER_G, kernel, _INTEGER_G)
    return _pack(tensors, name, transformed.reshape(36, *transformed.shape[2:]), input_unit / _WINOGRAD_FACTOR)


def pack_winograd_image(tensors: Tensors, name: str, input_unit: float) -> PackedWeights:
    """The same of the image: three channels, to which a fourth with weights of zero is added."""
    weight = np.pad(tensors[f"{name}.weight"], ((0, 0), (0, 1), (0, 0), (0, 0)))
    return pack_winograd({**tensors, f"{name}.weight": weight}, name, input_unit)


def pack_im2col(tensors: Tensors, name: str) -> PackedWeights:
    """A 3×3 convolution as one matrix, whose inputs are [9, channels]."""
    kernel = tensors[f"{name}.weight"]
    return _pack(tensors, name, kernel.transpose(2, 3, 1, 0).reshape(1, -1, len(kernel)), 1.0)


def pack_matrix_tiles(tensors: Tensors, name: str, inputs: Sequence[int]) -> PackedWeights:
    """A 3×3 convolution in 8-bit matrix tiles, of inputs with so many channels each."""
    kernel = tensors[f"{name}.weight"]
    of_inputs = np.split(kernel.transpose(2, 3, 1, 0), np.cumsum(inputs)[:-1], axis=2)
    flat = np.concatenate([weights.reshape(-1, len(kernel)) for weights in of_inputs])  # [3·3·channels, outputs]
    piece = 48 if any(channels % 64 for channels in inputs) else 64
    return _in_tiles(flat, piece, tensors[f"{name}.step"], tensors[f"{name}.bias"] * np.float32(255))


def pack_matrix_tiles_image(tensors: Tensors, name: str, input_unit: float) -> PackedWeights:
    """The same of the image: of each level, and 255, there are two bytes to add up; input_unit: see pack_winograd."""
    kernel, scale = tensors[f"{name}.weight"], tensors[f"{name}.step"] * np.float32(input_unit)
    doubled = np.pad(np.concatenate([kernel, kernel], axis=1), ((0, 0), (0, 2), (0, 0), (0, 0)))
    flat = doubled.transpose(2, 3, 1, 0).reshape(-1, len(kernel))
    of_255 = 255 * kernel.astype(np.float32).sum(axis=(1, 2, 3)) * scale
    return _in_tiles(flat, 24, scale, tensors[f"{name}.bias"] * np.float32(255) - of_255)


def _in_tiles(weights: Array, piece: int, scale: Array, bias: Array) -> PackedWeights:
    """Of weights [inputs, outputs], in pieces of so many inputs."""
    split = weights.reshape(-1, piece // 4, 4, weights.shape[1] // LANES, LANES)
    return PackedWeights(_aligned(split.transpose(3, 0, 1, 4, 2)), _aligned(scale), _aligned(bias))


def pack_tap_planes(tensors: Tensors, name: str) -> PackedWeights:
    """A 1×1 convolution to LANES planes or fewer, whose outputs stay float32; the missing planes are zero."""
    kernel, step = tensors[f"{name}.weight"][..., 0, 0], tensors[f"{name}.step"] / np.float32(255)
    missing = LANES - len(kernel)
    weights = np.pad(kernel, ((0, missing), (0, 0))).T[None]
    return PackedWeights(_in_lanes(weights), _aligned(np.pad(step, (0, missing))), np.zeros(0, np.float32))


def _pack(tensors: Tensors, name: str, weights: Array, input_unit: float) -> PackedWeights:
    """Of weights [positions, inputs, outputs]."""
    order = (np.arange(0, weights.shape[-1], LANES)[:, None] + _LANE_ORDER).reshape(-1)
    scale, bias = tensors[f"{name}.step"] * np.float32(input_unit), tensors[f"{name}.bias"] * np.float32(255)
    return PackedWeights(_in_lanes(weights[..., order]), _aligned(scale[order]), _aligned(bias[order]))


def _in_lanes(weights: Array) -> Array:
    positions, inputs, outputs = weights.shape
    split = weights.reshape(positions, inputs // 2, 2, outputs // LANES, LANES)
    return _aligned(split.transpose(3, 0, 1, 4, 2).astype(np.int16))


def _aligned(values: Array) -> Array:
    copied = aligned_zeros(values.shape, values.dtype)
    copied[...] = values
    return copied
