"""Planes in GPU memory, as the kernels see them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.device.cuda.platform import Platform
from streamseg.frame import PixelFormat

__all__ = ["DeviceFrame", "frame_descriptor", "plane_shapes", "split"]

# Planes in struct Frame of kernels/common.cuh.
_PLANES = 4


@dataclass(frozen=True, slots=True)
class DeviceFrame:
    """The planes of one frame in GPU memory, one after the other, without gaps.

    Attributes:
        format: layout of the planes.
        width, height: in pixels.
        samples: uint8 [bytes]: all planes.
        planes: views of it, uint8 or int16 (the bits of uint16) [rows, columns].
        descriptor: int64: struct Frame, the argument of kernels.
    """

    format: PixelFormat
    width: int
    height: int
    samples: Tensor
    planes: tuple[Tensor, ...]
    descriptor: Tensor

    @classmethod
    def allocate(
        cls, platform: Platform, pixel_format: PixelFormat, width: int, height: int, matte: bool = False
    ) -> DeviceFrame:
        """Memory for a frame, with ``matte`` also for a fourth plane; raises DeviceOutOfMemory."""
        shapes = plane_shapes(pixel_format, width, height, matte)
        itemsize = pixel_format.dtype.itemsize
        samples = platform.empty((sum(rows * columns for rows, columns in shapes) * itemsize,), torch.uint8)
        planes = split(samples, shapes, itemsize)
        descriptor = platform.upload(frame_descriptor(planes, pixel_format, width, height))
        return cls(pixel_format, width, height, samples, planes, descriptor)


def plane_shapes(
    pixel_format: PixelFormat, width: int, height: int, matte: bool = False
) -> tuple[tuple[int, int], ...]:
    """[rows, columns] of each plane; ``matte`` adds one of luma's size to a format without alpha."""
    shapes = pixel_format.shapes(width, height)
    return (*shapes, shapes[0]) if matte and len(shapes) < _PLANES else shapes


def split(samples: Tensor, shapes: tuple[tuple[int, int], ...], itemsize: int) -> tuple[Tensor, ...]:
    """Views [rows, columns] of planes that follow one another in uint8 [bytes]."""
    typed = samples if itemsize == 1 else samples.view(torch.int16)
    views, start = [], 0
    for rows, columns in shapes:
        views.append(typed[start : start + rows * columns].view(rows, columns))
        start += rows * columns
    return tuple(views)


def frame_descriptor(
    planes: tuple[Tensor, ...], pixel_format: PixelFormat, width: int, height: int, interleaved: bool = False
) -> Tensor:
    """Struct Frame of planes in GPU memory, int64 on the host.

    Args:
        planes: uint8 or int16 [rows, columns], rows may be padded. With ``interleaved`` there are two: luma, and Cb and
            Cr interleaved [rows, columns, 2], as in NV12 and P010; P010's ten bits are the upper ones.
    """
    itemsize = planes[0].element_size()
    pointers = [plane.data_ptr() for plane in planes]
    pitches = [plane.stride(0) for plane in planes]
    steps = [1] * len(planes)
    if interleaved:
        pointers, pitches, steps = [*pointers, pointers[1] + itemsize], [*pitches, pitches[1]], [1, 2, 2]
    missing = [0] * (_PLANES - len(pointers))
    shift = 16 - pixel_format.depth if interleaved and itemsize == 2 else 0
    fields = [*pointers, *missing, *pitches, *missing, *steps, *missing]
    fields += [itemsize - 1, shift, pixel_format.shift_x, pixel_format.shift_y, width, height, pixel_format.maximum]
    return torch.tensor(fields, dtype=torch.int64)
