"""Planes over the bus: page-locked memory of the host, memory of the card, and copies in the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamseg.device.cuda.pictures import DevicePicture, plane_shapes, split
from streamseg.device.cuda.platform import Platform
from streamseg.frame import PixelFormat, Plane

__all__ = ["PictureSlot"]


@dataclass(frozen=True, slots=True, eq=False)
class PictureSlot:
    """Room for one picture on both sides of the bus.

    Attributes:
        picture: on the card.
        host: uint8 [bytes], page-locked: the same planes.
        planes: views of ``host``, uint8 or uint16 [rows, columns].
    """

    picture: DevicePicture
    host: Tensor
    planes: tuple[Plane, ...]

    @classmethod
    def allocate(
        cls, platform: Platform, pixel_format: PixelFormat, width: int, height: int, matte: bool = False
    ) -> PictureSlot:
        """Room for pictures of this format and size, and their mattes; raises DeviceOutOfMemory."""
        picture = DevicePicture.allocate(platform, pixel_format, width, height, matte)
        host = platform.pinned(tuple(picture.samples.shape), torch.uint8)
        shapes, itemsize = plane_shapes(pixel_format, width, height, matte), pixel_format.dtype.itemsize
        planes = tuple(plane.numpy().view(pixel_format.dtype) for plane in split(host, shapes, itemsize))
        return cls(picture, host, planes)

    def fill(self, planes: Sequence[Plane]) -> None:
        """Write planes into the host's side; whoever does holds the slot."""
        for target, plane in zip(self.planes, planes, strict=True):
            np.copyto(target, plane)

    def upload(self) -> None:
        """Queue the copy to the card."""
        self.picture.samples.copy_(self.host, non_blocking=True)

    def download(self) -> None:
        """Queue the copy from the card."""
        self.host.copy_(self.picture.samples, non_blocking=True)
