"""Planes in the card's memory, as the kernels see them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamseg.device.cuda.platform import Platform
from streamseg.frame import PixelFormat

__all__ = ["DevicePicture", "described", "plane_shapes", "split"]

# Fields of struct Picture in kernels/common.cuh.
_PLANES = 4


@dataclass(frozen=True, slots=True)
class DevicePicture:
    """The planes of one picture in the card's memory, one after the other, without gaps.

    Attributes:
        format: layout of the planes.
        width, height: in pixels.
        samples: uint8 [bytes]: all planes.
        planes: views of it, uint8 or int16 (the bits of uint16) [rows, columns].
        descriptor: int64: struct Picture, what kernels are given.
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
    ) -> DevicePicture:
        """Room for a picture, and with ``matte`` for a fourth plane; raises DeviceOutOfMemory."""
        shapes = plane_shapes(pixel_format, width, height, matte)
        itemsize = pixel_format.dtype.itemsize
        samples = platform.empty((sum(rows * columns for rows, columns in shapes) * itemsize,), torch.uint8)
        planes = split(samples, shapes, itemsize)
        descriptor = platform.upload(described(planes, pixel_format, width, height))
        return cls(pixel_format, width, height, samples, planes, descriptor)


def plane_shapes(
    pixel_format: PixelFormat, width: int, height: int, matte: bool = False
) -> tuple[tuple[int, int], ...]:
    """[rows, columns] of each plane; ``matte`` adds one of luma's size to a format without alpha."""
    shapes = pixel_format.shapes(width, height)
    return (*shapes, shapes[0]) if matte and len(shapes) < _PLANES else shapes


def split(samples: Tensor, shapes: tuple[tuple[int, int], ...], itemsize: int) -> tuple[Tensor, ...]:
    """Views [rows, columns] of planes that lie one after the other in uint8 [bytes]."""
    typed = samples if itemsize == 1 else samples.view(torch.int16)
    views, begin = [], 0
    for rows, columns in shapes:
        views.append(typed[begin : begin + rows * columns].view(rows, columns))
        begin += rows * columns
    return tuple(views)


def described(
    planes: tuple[Tensor, ...], pixel_format: PixelFormat, width: int, height: int, interleaved: bool = False
) -> Tensor:
    """Struct Picture of planes in the card's memory, int64 on the host.

    Args:
        planes: uint8 or int16 [rows, columns], rows may be padded. With ``interleaved`` there are two: luma, and Cb and
            Cr in turns [rows, columns, 2], as NV12 and P010 have them; P010's ten bits are the upper ones.
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
