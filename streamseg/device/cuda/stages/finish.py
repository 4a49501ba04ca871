"""From mattes on the grid to output frames on the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import torch

from streamseg.device.cuda.buffers.ring import Ring
from streamseg.device.cuda.buffers.transfer import FrameSlot
from streamseg.device.cuda.platform import Event
from streamseg.device.cuda.stages.blur import Blur
from streamseg.frame import Frame, PixelFormat, Plane
from streamseg.matting.compositing.blur import BlurSize
from streamseg.matting.compositing.outputs import grey_levels
from streamseg.matting.constants import EDGE_FIELDS
from streamseg.matting.edges.colours import local_radius
from streamseg.media.pixels.gpu_frame import GPUFrame

if TYPE_CHECKING:
    from torch import Tensor

    from streamseg.device.cuda.device import CUDADevice

__all__ = ["Finish", "Finished", "Finisher", "Output"]

# Backgrounds that may be uploading while frames over the previous one are still being composited.
_BACKGROUND_SLOTS = 3


class Output(Enum):
    """What is downloaded of a frame, all of it in one copy."""

    COMPOSITE = "the frame over its background"
    CUTOUT = "the frame with the foreground's own colours, and its matte in full scale, for further work on the host"
    ALPHA = "the same as one frame, its matte as alpha"
    MATTE = "the matte as a grey frame"
    BLURRED = "the frame over its own background, blurred"


@dataclass(frozen=True, slots=True)
class Finish:
    """What becomes of a frame and its matte.

    Attributes:
        output: what is downloaded.
        edges: refine alpha where it is uncertain and remove the old background's colour there.
        background: planes behind the frame, for COMPOSITE. The same object as before is not uploaded again.
        blur: low resolution of the blurred background, for BLURRED.
    """

    output: Output = Output.COMPOSITE
    edges: bool = True
    background: tuple[Plane, ...] | None = None
    blur: BlurSize | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A frame that is being downloaded.

    Attributes:
        frame: as it was decoded.
        slot: whose host memory gets the planes.
        done: fires when they are there.
    """

    frame: Frame | GPUFrame
    slot: FrameSlot
    done: Event


class Finisher:
    """Upsamples mattes, refines their edges, composites, and downloads the result.

    Args:
        device: the GPU.
        pixel_format, width, height: of all frames.
        grid: rows and columns of the mattes to come.
        slots: how many frames may be downloading or waiting to be fetched.
        output: that of all frames; None if it differs from frame to frame: any but ALPHA, each with the matte in full
            scale.

    Raises:
        DeviceOutOfMemory: there is too little memory for frames of this size.
    """

    def __init__(
        self,
        device: CUDADevice,
        pixel_format: PixelFormat,
        width: int,
        height: int,
        grid: tuple[int, int],
        slots: int,
        output: Output | None = None,
    ) -> None:
        self._device, self._grid, self._output = device, grid, output
        platform, self._format = device.platform, pixel_format
        opaque, self._size = pixel_format.opaque(), (width, height)
        size = self._size
        self._blocks = pixel_format.shapes(width, height)[1]
        matte = output in (Output.CUTOUT, Output.ALPHA, None)
        self._outputs = Ring(FrameSlot.allocate(platform, opaque, *size, matte) for _ in range(slots))
        self._opaque = pixel_format.maximum if output is Output.ALPHA else int(np.iinfo(pixel_format.dtype).max)
        self._half_grid = (grid[0] // 2, grid[1] // 2)
        self._radius = local_radius(*self._half_grid)
        self._scale = 1 / pixel_format.maximum
        self._cell_colours = platform.empty((3, *self._half_grid), torch.float32)
        self._local_colours = platform.empty((EDGE_FIELDS, *self._half_grid), torch.float32)
        count = _BACKGROUND_SLOTS if output in (Output.COMPOSITE, None) else 0
        self._backgrounds = Ring(FrameSlot.allocate(platform, opaque, *size) for _ in range(count))
        self._blur: tuple[BlurSize, Blur] | None = None
        self._background: tuple[Plane, ...] | None = None
        self._background_slot: FrameSlot | None = None

    @property
    def format(self) -> PixelFormat:
        """Pixel format of the frame that is downloaded; raises InputError where FFmpeg has none."""
        form = self._format
        if self._output is Output.ALPHA:
            return PixelFormat.make(form.depth, form.shift_x, form.shift_y, True, form.rgb)
        return form.opaque()

    def finish(self, frame: Frame | GPUFrame, slot: FrameSlot, alpha: Tensor, wanted: Finish) -> Finished:
        """Queue the output of a frame on the current stream, which must be the device's ``compute``.

        Args:
            slot: holds its planes on the GPU.
            alpha: its matte on the grid, float32 [rows, columns] in [0, 1].
            wanted: what becomes of it.
        """
        device, platform = self._device, self._device.platform
        behind = None if wanted.background is None else self._upload(wanted.background).frame.descriptor
        blur = None if wanted.blur is None else self.blur(wanted.blur)
        output = self._outputs.acquire()
        descriptor = slot.frame.descriptor
        colours = self._compute_local_colours(descriptor, alpha) if wanted.edges else None
        target = output.frame if blur is None else blur.cut
        arguments = (descriptor, alpha, *self._grid, colours, *self._half_grid, behind)
        matte = self._opaque, *self._grey_levels(frame, wanted.output)
        platform.launch("finish", self._blocks[::-1], *arguments, target.descriptor, *matte)
        if blur is not None:
            blur.composite(output.frame.descriptor)
        device.download.wait_event(platform.record(device.compute))
        with platform.on(device.download):
            output.download()
        return Finished(frame, output, platform.record(device.download))

    def blur(self, size: BlurSize) -> Blur:
        """What blurs backgrounds at this size; made anew, and captured, when the size is another one.

        The memory of the one before is only used on ``compute``, like that of this one, so it may be freed at once.
        """
        if self._blur is None or self._blur[0] != size:
            device, self._blur = self._device, None
            self._blur = size, Blur(device.platform, device.compute, self._format, *self._size, size)
        return self._blur[1]

    def _grey_levels(self, frame: Frame | GPUFrame, output: Output) -> tuple[int, int, int]:
        if output is not Output.MATTE:
            return 0, 0, 0
        black, white, neutral = grey_levels(self._format, frame.colour)
        return black, white, -1 if self._format.rgb else neutral

    @contextmanager
    def downloaded(self, finished: Finished) -> Iterator[tuple[Plane, ...]]:
        """Wait for a frame; its planes, the last of them the matte where that is downloaded, valid inside."""
        finished.done.synchronize()
        try:
            yield finished.slot.planes
        finally:
            self._outputs.release(finished.slot)  # the host has read it; the GPU is done with it

    def _compute_local_colours(self, frame: Tensor, alpha: Tensor) -> Tensor:
        """Queue the local colour model of foreground and background."""
        launch, half = self._device.platform.launch, self._half_grid
        launch("cell_colours", half[::-1], frame, self._scale, *half, self._cell_colours)
        arguments = alpha, self._grid[1], self._cell_colours, self._radius
        launch("local_colours", half[::-1], *arguments, *half, self._local_colours)
        return self._local_colours

    def _upload(self, background: tuple[Plane, ...]) -> FrameSlot:
        """The background on the GPU; uploaded only when it is another object than the last one."""
        if self._background_slot is not None and background is self._background:
            return self._background_slot
        device, platform = self._device, self._device.platform
        if self._background_slot is not None:
            self._backgrounds.release(self._background_slot, platform.record(device.compute))
        slot = self._backgrounds.acquire()
        slot.fill(background)
        with platform.on(device.upload):
            slot.upload()
        device.compute.wait_event(platform.record(device.upload))
        self._background_slot, self._background = slot, background
        return slot
