"""Planes between host and GPU: page-locked host memory, GPU memory, and copies in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamseg.device.cuda.buffers.planes import DeviceFrame, plane_shapes, split
from streamseg.device.cuda.platform import Platform
from streamseg.frame import PixelFormat, Plane

__all__ = ["FrameSlot", "PlaneSlot"]


@dataclass(frozen=True, slots=True, eq=False)
class FrameSlot:
    """Memory for one frame on the host and on the GPU.

    Attributes:
        frame: on the GPU.
        host: uint8 [bytes], page-locked: the same planes.
        planes: views of ``host``, uint8 or uint16 [rows, columns].
    """

    frame: DeviceFrame
    host: Tensor
    planes: tuple[Plane, ...]

    @classmethod
    def allocate(
        cls, platform: Platform, pixel_format: PixelFormat, width: int, height: int, matte: bool = False
    ) -> FrameSlot:
        """Memory for frames of this format and size, with ``matte`` for their mattes too; raises DeviceOutOfMemory."""
        frame = DeviceFrame.allocate(platform, pixel_format, width, height, matte)
        host = platform.pinned(tuple(frame.samples.shape), torch.uint8)
        shapes, itemsize = plane_shapes(pixel_format, width, height, matte), pixel_format.dtype.itemsize
        planes = tuple(plane.numpy().view(pixel_format.dtype) for plane in split(host, shapes, itemsize))
        return cls(frame, host, planes)

    def fill(self, planes: Sequence[Plane]) -> None:
        """Write planes into the host memory; the caller holds the slot."""
        for target, plane in zip(self.planes, planes, strict=True):
            np.copyto(target, plane)

    def upload(self) -> None:
        """Queue the copy to the GPU."""
        self.frame.samples.copy_(self.host, non_blocking=True)

    def download(self) -> None:
        """Queue the copy from the GPU."""
        self.host.copy_(self.frame.samples, non_blocking=True)


@dataclass(frozen=True, slots=True, eq=False)
class PlaneSlot:
    """Memory for one plane on the host and on the GPU, without gaps between its rows.

    Attributes:
        samples: on the GPU, uint8 [bytes].
        host: the same, page-locked.
        plane: view of ``host``, uint8 or uint16 [rows, columns].
    """

    samples: Tensor
    host: Tensor
    plane: Plane

    @classmethod
    def allocate(cls, platform: Platform, dtype: np.dtype[Any], rows: int, columns: int) -> PlaneSlot:
        """Memory for planes of this dtype and size; raises DeviceOutOfMemory."""
        size = (rows * columns * dtype.itemsize,)
        host = platform.pinned(size, torch.uint8)
        return cls(platform.empty(size, torch.uint8), host, host.numpy().view(dtype).reshape(rows, columns))

    def upload(self) -> None:
        """Queue the copy to the GPU."""
        self.samples.copy_(self.host, non_blocking=True)
