"""From mattes on the grid to finished frames on the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import torch

from streamseg.background.blur import SmallBlur
from streamseg.device.cuda.blur import Blur
from streamseg.device.cuda.platform import Event
from streamseg.device.cuda.ring import Ring
from streamseg.device.cuda.transfer import PictureSlot
from streamseg.frame import Frame, PixelFormat, Plane
from streamseg.matting.edges import local_radius
from streamseg.matting.finish import grey_levels
from streamseg.media.card_frame import CardFrame

if TYPE_CHECKING:
    from torch import Tensor

    from streamseg.device.cuda.device import CUDADevice

__all__ = ["Finished", "Finisher", "Output"]

# Backgrounds that may be on their way to the card while frames over the one before are still being composited.
_BACKGROUNDS = 3


class Output(Enum):
    """What comes down of a frame, all of it in one copy."""

    COMPOSITE = "the frame over its background"
    CUTOUT = "the frame, clean of its old background's colour, and its matte in full scale, for the host to go on with"
    ALPHA = "the same as one picture, its matte the alpha"
    MATTE = "the matte in grey"
    BLURRED = "the frame over its own background, blurred"


@dataclass(frozen=True, slots=True)
class Finished:
    """A frame on its way down.

    Attributes:
        frame: as it was decoded.
        slot: where its planes will be.
        done: fires when they are.
    """

    frame: Frame | CardFrame
    slot: PictureSlot
    done: Event


class Finisher:
    """Enlarges mattes, refines their edges and composites; what it makes goes down to the host.

    Args:
        device: the card.
        pixel_format, width, height: of all frames.
        grid: rows and columns of the mattes to come.
        edges: refine the uncertain band and take the old background's colour out of it.
        output: what comes down.
        slots: how many frames may be on their way down or waiting to be fetched.
        blur: of the background, for BLURRED.
    """

    def __init__(
        self,
        device: CUDADevice,
        pixel_format: PixelFormat,
        width: int,
        height: int,
        grid: tuple[int, int],
        edges: bool,
        output: Output,
        slots: int,
        blur: SmallBlur | None = None,
    ) -> None:
        self._device, self._edges, self._grid, self._output = device, edges, grid, output
        platform, self._format = device.platform, pixel_format
        opaque, of = pixel_format.opaque(), (width, height)
        self._blocks = pixel_format.shapes(width, height)[1]
        matte = output in (Output.CUTOUT, Output.ALPHA)
        self._outputs = Ring(PictureSlot.allocate(platform, opaque, *of, matte) for _ in range(slots))
        self._opaque = pixel_format.maximum if output is Output.ALPHA else int(np.iinfo(pixel_format.dtype).max)
        self._half = (grid[0] // 2, grid[1] // 2)
        self._radius = local_radius(*self._half)
        self._scale = 1 / pixel_format.maximum
        self._colours = platform.empty((3, *self._half), torch.float32)
        self._around = platform.empty((6, *self._half), torch.float32)
        count = _BACKGROUNDS if output is Output.COMPOSITE else 0
        self._backgrounds = Ring(PictureSlot.allocate(platform, opaque, *of) for _ in range(count))
        self._blur = Blur(platform, device.compute, pixel_format, *of, blur) if blur else None
        self._shown: tuple[Plane, ...] | None = None
        self._behind: PictureSlot | None = None

    @property
    def format(self) -> PixelFormat:
        """Of the picture that comes down."""
        form = self._format
        if self._output is Output.ALPHA:
            return PixelFormat.make(form.depth, form.shift_x, form.shift_y, True, form.rgb)
        return form.opaque()

    def finish(
        self, frame: Frame | CardFrame, slot: PictureSlot, alpha: Tensor, background: tuple[Plane, ...] | None
    ) -> Finished:
        """Queue the end of a frame on the stream of the thread, which is the device's ``compute``.

        Args:
            slot: where its planes are on the card.
            alpha: its matte on the grid, float32 [rows, columns] in [0, 1].
            background: planes behind it; None where nothing is composited.
        """
        device, platform = self._device, self._device.platform
        behind = None if background is None else self._uploaded(background).picture.descriptor
        output = self._outputs.acquire()
        descriptor = slot.picture.descriptor
        around = self._surroundings(descriptor, alpha) if self._edges else None
        made = output.picture if self._blur is None else self._blur.cut
        out = made.descriptor, self._opaque, *self._grey(frame)
        sizes = (*self._grid, around, *self._half)
        platform.launch("finish", self._blocks[::-1], descriptor, alpha, *sizes, behind, *out)
        if self._blur is not None:
            self._blur.over(output.picture.descriptor)
        device.download.wait_event(platform.record(device.compute))
        with platform.on(device.download):
            output.download()
        return Finished(frame, output, platform.record(device.download))

    def _grey(self, frame: Frame | CardFrame) -> tuple[int, int, int]:
        if self._output is not Output.MATTE:
            return 0, 0, 0
        low, high, grey = grey_levels(self._format, frame.colour)
        return low, high, -1 if self._format.rgb else grey

    @contextmanager
    def arrived(self, finished: Finished) -> Iterator[tuple[Plane, ...]]:
        """Wait for a frame; its planes, the last of them the codes of the matte where that comes down, valid inside."""
        finished.done.synchronize()
        try:
            yield finished.slot.planes
        finally:
            self._outputs.release(finished.slot)  # the host has read it; the card is done with it

    def _surroundings(self, frame: Tensor, alpha: Tensor) -> Tensor:
        """Queue the colours on both sides of the edges."""
        launch, half = self._device.platform.launch, self._half
        launch("cells", half[::-1], frame, self._scale, *half, self._colours)
        launch("surroundings", half[::-1], alpha, self._grid[1], self._colours, self._radius, *half, self._around)
        return self._around

    def _uploaded(self, background: tuple[Plane, ...]) -> PictureSlot:
        """The background on the card; sent only when it is another object than the last one."""
        if self._behind is not None and background is self._shown:
            return self._behind
        device, platform = self._device, self._device.platform
        if self._behind is not None:
            self._backgrounds.release(self._behind, platform.record(device.compute))
        slot = self._backgrounds.acquire()
        slot.fill(background)
        with platform.on(device.upload):
            slot.upload()
        device.compute.wait_event(platform.record(device.upload))
        self._behind, self._shown = slot, background
        return slot
