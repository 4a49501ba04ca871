"""A CUDA card as a Device: the steps of a frame one by one, for whoever makes the mattes on the host."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamseg.device.cuda.colour import rgb_matrix
from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.network import SIZE, FusedNetwork, Saliency
from streamseg.device.cuda.platform import CUDAPlatform, Event, Platform
from streamseg.device.cuda.ring import Ring
from streamseg.device.cuda.transfer import PictureSlot
from streamseg.frame import Colour, Frame, Matte, PixelFormat, Plane
from streamseg.matting.looks import WHOLE_LOOK, Look
from streamseg.media.card_frame import CardFrame
from streamseg.media.native import allocate
from streamseg.network.weights import Weights, load_weights
from streamseg.runtime import Turns

__all__ = ["CUDADevice", "Prepared", "prepare_arguments"]

# Frames that are being uploaded at a time: one is filled while the other crosses the bus.
_UPLOADS = 2


@dataclass(frozen=True, slots=True)
class Prepared:
    """The network's input of one frame on the card, float32 [320, 320, 3], when its turn on the stream has come."""

    image: Tensor
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A map on its way to the host, float32 [320, 320], there once ``done`` fires."""

    saliency: Tensor
    done: Event
    mirrored: bool


class CUDADevice:
    """One NVIDIA card; see streamseg.device.Device.

    All kernels and the network work on one stream, uploads and downloads on two others; events join them.

    Args:
        weights: of the network; None for the packaged U²-Net†. It runs in half precision either way.
        batch: pictures that the network computes at a time where whole lines are given to the card, 1 to 8.
        detail: False for the coarser form of the network.
        platform: the card; None for the first one.

    Raises:
        MissingDependency, UnsupportedDevice: there is no card that will do.
        DeviceOutOfMemory: it has too little memory left.
    """

    name = "cuda"

    def __init__(
        self, weights: Weights | None = None, batch: int = 1, detail: bool = True, platform: Platform | None = None
    ) -> None:
        self.platform = platform = CUDAPlatform() if platform is None else platform
        self.batch = batch
        self.upload, self.compute, self.download = (platform.stream() for _ in range(3))
        with clear_failures("loading the network"):
            network = FusedNetwork(weights or load_weights(), platform.device, detail=detail)
        self.saliencies = Saliency(network, platform, self.compute, batch)
        #: Of what all streams of this device share: the network and its memory.
        self.turn = Turns()
        self._own()

    def _own(self) -> None:
        """What belongs to one stream of video."""
        self._matrices: dict[tuple[PixelFormat, Colour, int, int], Tensor] = {}
        self._uploads: tuple[Any, Ring[PictureSlot]] | None = None
        self._compositor: Compositor | None = None

    def another(self) -> CUDADevice:
        other = copy(self)
        other._own()
        return other

    def with_batch(self, batch: int) -> CUDADevice:
        """Another one whose network computes as many pictures at a time in whole lines."""
        other = self.another()
        other.batch = batch
        other.saliencies = Saliency(self.saliencies.network, self.platform, self.compute, batch)
        return other

    def prepare(self, frame: Frame, look: Look = WHOLE_LOOK) -> Prepared:
        with clear_failures("uploading a frame"), self._ring(frame).borrowed(self._computed) as slot:
            slot.fill(frame.planes)
            with self.platform.on(self.upload):
                slot.upload()
            self.compute.wait_event(self.platform.record(self.upload))
            with self.platform.on(self.compute):
                image = self.platform.empty((SIZE, SIZE, 3), torch.float32)
                arguments = prepare_arguments(slot.picture.descriptor, frame.format, frame.width, frame.height, look)
                self.platform.launch("prepare", (SIZE, SIZE), *arguments, self.matrix(frame), SIZE, SIZE, image)
        return Prepared(image, look.mirrored)

    def network(self, prepared: Prepared) -> Begun:
        with clear_failures("running the network"), self.turn:
            with self.platform.on(self.compute):
                self.saliencies.inputs[0].copy_(prepared.image)
                self.saliencies.run(1)
                saliency = self.platform.pinned((SIZE, SIZE), torch.float32)
                saliency.copy_(self.saliencies.outputs[0], non_blocking=True)
            return Begun(saliency, self._computed(), prepared.mirrored)

    def saliency(self, begun: Begun) -> NDArray[np.float32]:
        with clear_failures("running the network"):
            begun.done.synchronize()
        saliency = begun.saliency.numpy()
        return (saliency[:, ::-1] if begun.mirrored else saliency).copy()

    def published(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """The fused map of an image that was normalised elsewhere, as OpenVINONetwork.saliency gives it.

        Args:
            normalised: float32 RGB [3, 320, 320] with the ImageNet mean and deviation taken out.

        Returns:
            float32 [320, 320] in [0, 1].
        """
        with self.platform.on(self.compute):
            image = self.platform.upload(torch.from_numpy(np.ascontiguousarray(normalised.transpose(1, 2, 0))))
        return self.saliency(self.network(Prepared(image)))

    def composite(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        with clear_failures("compositing"):
            if self._compositor is None or not self._compositor.fits(frame):
                self._compositor = Compositor(self, frame)
            return self._compositor(frame, matte, background)

    def matrix(self, frame: Frame | CardFrame) -> Tensor:
        """On the card: float32 [3, 4], see rgb_matrix."""
        key = (frame.format, frame.colour, frame.width, frame.height)
        if key not in self._matrices:
            self._matrices[key] = self.platform.upload(torch.from_numpy(rgb_matrix(*key)))
        return self._matrices[key]

    def _computed(self) -> Event:
        return self.platform.record(self.compute)

    def _ring(self, frame: Frame) -> Ring[PictureSlot]:
        """For frames of this format and size; a stream that changes them, which none should, gets a new one."""
        key = (frame.format, frame.width, frame.height)
        if self._uploads is None or self._uploads[0] != key:
            slots = [PictureSlot.allocate(self.platform, *key) for _ in range(_UPLOADS)]
            self._uploads = key, Ring(slots)
        return self._uploads[1]


class Compositor:
    """Frames, mattes and backgrounds from the host, composites back to it; one at a time.

    Args:
        device: whose streams are used.
        like: a frame of the format and size of all to come.
    """

    def __init__(self, device: CUDADevice, like: Frame) -> None:
        self._device, platform = device, device.platform
        size = like.width, like.height
        opaque = like.format.opaque()
        self._format, self._size = like.format, size
        self._frame = PictureSlot.allocate(platform, like.format, *size)
        self._behind = PictureSlot.allocate(platform, opaque, *size)
        self._out = PictureSlot.allocate(platform, opaque, *size)
        grey = PixelFormat.make(8 if like.format.depth == 8 else 16, 0, 0)
        self._matte = PictureSlot.allocate(platform, grey, *size)
        self._shown: tuple[Plane, ...] | None = None

    def fits(self, frame: Frame) -> bool:
        """Whether the buffers are of this frame's format and size."""
        return (self._format, self._size) == (frame.format, (frame.width, frame.height))

    def __call__(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        device, platform = self._device, self._device.platform
        self._frame.fill(frame.planes)
        np.copyto(self._matte.planes[0], matte.alpha)
        new = background is not self._shown  # a still gives the same planes each time, and only once over the bus
        if new:
            self._behind.fill(background)
        with platform.on(device.upload):
            for slot in (self._frame, self._matte, self._behind)[: 3 if new else 2]:
                slot.upload()
        device.compute.wait_event(platform.record(device.upload))
        with platform.on(device.compute):
            blocks = frame.format.shapes(*self._size)[1]
            pictures = [slot.picture for slot in (self._frame, self._behind, self._out)]
            first, behind, out = (picture.descriptor for picture in pictures)
            platform.launch("composite", blocks[::-1], first, self._matte.picture.samples, behind, out)
        device.download.wait_event(platform.record(device.compute))
        with platform.on(device.download):
            self._out.download()
        platform.record(device.download).synchronize()
        self._shown = background
        result = allocate(frame, frame.format.opaque())
        for target, plane in zip(result.planes, self._out.planes, strict=True):
            np.copyto(target, plane)
        return result


def prepare_arguments(
    descriptor: Tensor, pixel_format: PixelFormat, width: int, height: int, look: Look
) -> tuple[Tensor, int, int, int, int, int]:
    """First arguments of the kernel ``prepare``: the picture, the part seen, on whole chroma samples, and how."""
    left, top, right, bottom = look.box.pixels(width, height)
    across, down = pixel_format.shift_x, pixel_format.shift_y
    return descriptor, left >> across << across, top >> down << down, right - left, bottom - top, int(look.mirrored)
