"""An NVIDIA GPU as a Device: the steps of a frame one by one, for callers that make the mattes on the host."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamseg.device.cuda.buffers.ring import Ring
from streamseg.device.cuda.buffers.transfer import FrameSlot, PlaneSlot
from streamseg.device.cuda.colour import rgb_matrix
from streamseg.device.cuda.convolutions.choice import method_choice
from streamseg.device.cuda.failures import clear_failures
from streamseg.device.cuda.network import CapturedNetwork, FusedNetwork
from streamseg.device.cuda.platform import CUDAPlatform, Event, Platform
from streamseg.device.cuda.selfie import SelfieNetwork
from streamseg.frame import Colour, Frame, Matte, PixelFormat, Plane
from streamseg.matting.tracking.inference import FULL_FRAME_INFERENCE, Inference
from streamseg.media.pixels.gpu_frame import GPUFrame
from streamseg.media.pixels.native import allocate
from streamseg.network.architecture import INPUT_SIZE, Variant
from streamseg.network.quantised import QuantisedWeights
from streamseg.network.selfie import SELFIE_SIZE
from streamseg.network.weights import Weights, load_weights
from streamseg.runtime import FairLock

__all__ = ["CUDADevice", "Opening", "PendingSaliency", "Prepared", "prepare_arguments"]

# One slot is filled while the other is uploaded.
_UPLOAD_SLOTS = 2


@dataclass(frozen=True, slots=True)
class Prepared:
    """The network's input of one frame on the GPU, float32 [size, size, 3]; complete in the order of the stream.

    ``for_selfie``: the selfie network's, [256, 256, 3] and never flipped, if a person map was asked for.
    """

    image: Tensor
    flipped: bool = False
    for_selfie: Tensor | None = None


@dataclass(frozen=True, slots=True)
class PendingSaliency:
    """A saliency map that is being downloaded, float32 [size, size], and a person map; complete once ``done`` fires."""

    saliency: Tensor
    done: Event
    flipped: bool
    person_map: Tensor | None = None


class Opening(NamedTuple):
    """Seconds to load and capture the network, and how many of them went into choosing methods of convolutions.

    They are chosen once on a GPU, with each version of its driver, torch and cuDNN; then the choice is on disk.
    """

    seconds: float
    choosing: float


class CUDADevice:
    """One NVIDIA GPU; see streamseg.device.Device.

    All kernels and the network run on one stream, uploads and downloads on two others; events order them. Other devices
    for videos on the same GPU, from ``another`` and ``with_batch``, share these streams and the captured network.

    Args:
        weights: of the network; None for the packaged U²-Net†. All run in half precision.
        batch: frames that the network computes at a time in a GPUPipeline, 1 to 8.
        variant: of the network.
        platform: the GPU; None for the first one.
        sizes, subject: see streamseg.device.open_device.

    Attributes:
        opening: how long it took to load and capture the network.
        captured: the network by the size of its input, shared; used by who holds ``lock``.
        selfie: the network that finds people near the camera, shared likewise; None with the subject "any".

    Raises:
        MissingDependency, UnsupportedDevice: there is no GPU that can be used.
        DeviceOutOfMemory: it has too little memory left.
    """

    name = "cuda"

    def __init__(
        self,
        weights: Weights | QuantisedWeights | None = None,
        batch: int = 1,
        variant: Variant = "full",
        platform: Platform | None = None,
        sizes: Sequence[int] = (INPUT_SIZE,),
        subject: str = "any",
    ) -> None:
        self.platform = platform = CUDAPlatform() if platform is None else platform
        self.batch, self.sizes, self.subject = batch, tuple(sizes), subject
        self.upload, self.compute, self.download = (platform.stream() for _ in range(3))
        choice, started = method_choice(platform.identity), perf_counter()
        choosing = choice.seconds
        with clear_failures("loading the network"):
            floats = weights.in_floats() if isinstance(weights, QuantisedWeights) else weights or load_weights()
            network = FusedNetwork(floats, platform.device, variant=variant, platform=platform)
            selfie = None if subject == "any" else SelfieNetwork(platform.device)
        captured = partial(CapturedNetwork, platform=platform, stream=self.compute, max_batch=batch)
        self.captured = {size: captured(network, size=size) for size in self.sizes}
        self.selfie = None if selfie is None else captured(selfie, size=SELFIE_SIZE)
        self.opening = Opening(perf_counter() - started, choice.seconds - choosing)
        #: Guards what all streams of video on this device share: the network, its memory and the order on ``compute``.
        self.lock = FairLock()
        self._open_stream()

    def _open_stream(self) -> None:
        """What streams of video may not share."""
        self._matrices: dict[tuple[PixelFormat, Colour, int, int], Tensor] = {}
        self._uploads: tuple[tuple[PixelFormat, int, int], Ring[FrameSlot]] | None = None
        self._compositor: Compositor | None = None

    def another(self) -> CUDADevice:
        other = copy(self)
        other._open_stream()
        return other

    def with_batch(self, batch: int) -> CUDADevice:
        """A device for another stream with the same network, which computes ``batch`` frames at a time."""
        other = self.another()
        other.batch = batch
        with self.lock:
            for captured in (*self.captured.values(), *([] if self.selfie is None else [self.selfie])):
                captured.allow(batch)
        return other

    def prepare(self, frame: Frame, inference: Inference = FULL_FRAME_INFERENCE) -> Prepared:
        side = inference.size or self.sizes[0]
        with clear_failures("uploading a frame"), self._ring(frame).borrowed(self._record_compute) as slot:
            slot.fill(frame.planes)
            with self.platform.on(self.upload):
                slot.upload()
            self.compute.wait_event(self.platform.record(self.upload))
            with self.platform.on(self.compute):
                image, for_selfie = self.platform.empty((side, side, 3), torch.float32), None
                self.queue_input(frame, slot, inference, image)
                if self.selfie is not None and inference.person_map != "unused":
                    for_selfie = self.platform.empty((SELFIE_SIZE, SELFIE_SIZE, 3), torch.float32)
                    self.queue_input(frame, slot, inference._replace(flipped=False), for_selfie)
        return Prepared(image, inference.flipped, for_selfie)

    def queue_input(self, frame: Frame | GPUFrame, slot: FrameSlot, inference: Inference, out: Tensor) -> None:
        """Queue a network's input of the frame in ``slot`` on the current stream: float32 [size, size, 3]."""
        side = len(out)
        arguments = prepare_arguments(slot.frame.descriptor, frame.format, frame.width, frame.height, inference)
        self.platform.launch("prepare", (side, side), *arguments, self.matrix(frame), side, side, out)

    def network(self, prepared: Prepared) -> PendingSaliency:
        with clear_failures("running the network"), self.lock:
            with self.platform.on(self.compute):
                saliency, person_map = self._run(self.captured[len(prepared.image)], prepared.image), None
                if self.selfie is not None and prepared.for_selfie is not None:
                    person_map = self._run(self.selfie, prepared.for_selfie)
            return PendingSaliency(saliency, self._record_compute(), prepared.flipped, person_map)

    def _run(self, network: CapturedNetwork, image: Tensor) -> Tensor:
        """Queue a map of one image and its download to page-locked memory, float32 [size, size]."""
        network.inputs[0].copy_(image)
        network.run(1)
        downloaded = self.platform.pinned(tuple(image.shape[:2]), torch.float32)
        downloaded.copy_(network.outputs[0], non_blocking=True)
        return downloaded

    def saliency(self, pending: PendingSaliency) -> NDArray[np.float32]:
        with clear_failures("running the network"):
            pending.done.synchronize()
        saliency = pending.saliency.numpy()
        return (saliency[:, ::-1] if pending.flipped else saliency).copy()

    def published(self, normalised: NDArray[np.float32]) -> NDArray[np.float32]:
        """The fused map of an image that was normalised elsewhere, like OpenVINONetwork.saliency.

        Args:
            normalised: float32 RGB [3, size, size], the ImageNet mean subtracted and divided by the deviation.

        Returns:
            float32 [size, size] in [0, 1].
        """
        with self.platform.on(self.compute):
            image = self.platform.upload(torch.from_numpy(np.ascontiguousarray(normalised.transpose(1, 2, 0))))
        return self.saliency(self.network(Prepared(image)))

    def person_map(self, pending: PendingSaliency) -> NDArray[np.float32] | None:
        if pending.person_map is None:
            return None
        with clear_failures("running the network"):
            pending.done.synchronize()
        return pending.person_map.numpy().copy()

    def composite(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        with clear_failures("compositing"):
            if self._compositor is None or not self._compositor.matches(frame):
                self._compositor = Compositor(self, frame)
            return self._compositor(frame, matte, background)

    def matrix(self, frame: Frame | GPUFrame) -> Tensor:
        """The matrix of rgb_matrix for a frame, float32 [3, 4] on the GPU."""
        key = (frame.format, frame.colour, frame.width, frame.height)
        if key not in self._matrices:
            self._matrices[key] = self.platform.upload(torch.from_numpy(rgb_matrix(*key)))
        return self._matrices[key]

    def _record_compute(self) -> Event:
        return self.platform.record(self.compute)

    def _ring(self, frame: Frame) -> Ring[FrameSlot]:
        """For frames of this format and size; if a stream changes them, which none should, a new one is allocated."""
        key = (frame.format, frame.width, frame.height)
        if self._uploads is None or self._uploads[0] != key:
            slots = [FrameSlot.allocate(self.platform, *key) for _ in range(_UPLOAD_SLOTS)]
            self._uploads = key, Ring(slots)
        return self._uploads[1]


class Compositor:
    """Composites frames, mattes and backgrounds of the host, one frame at a time.

    Args:
        device: whose streams are used.
        example: a frame of the format and size of all to come.
    """

    def __init__(self, device: CUDADevice, example: Frame) -> None:
        self._device, platform = device, device.platform
        size = example.width, example.height
        opaque = example.format.opaque()
        self._format, self._size = example.format, size
        self._frame = FrameSlot.allocate(platform, example.format, *size)
        self._background = FrameSlot.allocate(platform, opaque, *size)
        self._out = FrameSlot.allocate(platform, opaque, *size)
        self._matte = PlaneSlot.allocate(platform, example.format.dtype, example.height, example.width)
        self._uploaded: tuple[Plane, ...] | None = None

    def matches(self, frame: Frame) -> bool:
        """Whether the buffers are of this frame's format and size."""
        return (self._format, self._size) == (frame.format, (frame.width, frame.height))

    def __call__(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        device, platform = self._device, self._device.platform
        self._frame.fill(frame.planes)
        np.copyto(self._matte.plane, matte.alpha)
        new = background is not self._uploaded  # a still image is the same object each time and uploaded only once
        if new:
            self._background.fill(background)
        with platform.on(device.upload):
            for slot in (self._frame, self._matte, self._background)[: 3 if new else 2]:
                slot.upload()
        device.compute.wait_event(platform.record(device.upload))
        with platform.on(device.compute):
            blocks = frame.format.shapes(*self._size)[1]
            slots = (self._frame, self._background, self._out)
            foreground, behind, out = (slot.frame.descriptor for slot in slots)
            platform.launch("composite", blocks[::-1], foreground, self._matte.samples, behind, out)
        device.download.wait_event(platform.record(device.compute))
        with platform.on(device.download):
            self._out.download()
        platform.record(device.download).synchronize()
        self._uploaded = background
        result = allocate(frame, frame.format.opaque())
        for target, plane in zip(result.planes, self._out.planes, strict=True):
            np.copyto(target, plane)
        return result


def prepare_arguments(
    descriptor: Tensor, pixel_format: PixelFormat, width: int, height: int, inference: Inference
) -> tuple[Tensor, int, int, int, int, int]:
    """First arguments of the kernel ``prepare``: the frame, the ROI on whole chroma samples, and whether to flip."""
    left, top, right, bottom = inference.roi.pixels(width, height)
    across, down = pixel_format.shift_x, pixel_format.shift_y
    size = right - left, bottom - top
    return descriptor, left >> across << across, top >> down << down, *size, int(inference.flipped)
