"""From mattes on the grid to finished frames on the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from streamseg.device.cuda.platform import Event
from streamseg.device.cuda.ring import Ring
from streamseg.device.cuda.transfer import PictureSlot
from streamseg.frame import Frame, PixelFormat, Plane
from streamseg.matting.edges import local_radius
from streamseg.media.card_frame import CardFrame

if TYPE_CHECKING:
    from torch import Tensor

    from streamseg.device.cuda.device import CUDADevice

__all__ = ["Finished", "Finisher"]

# Backgrounds that may be on their way to the card while frames over the one before are still being composited.
_BACKGROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class OutputSlot:
    """Room for what comes down: planes without alpha, and codes of a matte unless frames are composited."""

    picture: PictureSlot
    matte: PictureSlot | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A frame on its way down.

    Attributes:
        frame: as it was decoded.
        slot: where its planes will be.
        done: fires when they are.
    """

    frame: Frame | CardFrame
    slot: OutputSlot
    done: Event


class Finisher:
    """Enlarges mattes, refines their edges and composites; what it makes goes down to the host.

    Args:
        device: the card.
        pixel_format, width, height: of all frames.
        grid: rows and columns of the mattes to come.
        edges: refine the uncertain band and take the old background's colour out of it.
        composite: over backgrounds; else the frames themselves and their mattes come down.
        slots: how many frames may be on their way down or waiting to be fetched.
    """

    def __init__(
        self,
        device: CUDADevice,
        pixel_format: PixelFormat,
        width: int,
        height: int,
        grid: tuple[int, int],
        edges: bool,
        composite: bool,
        slots: int,
    ) -> None:
        self._device, self._edges, self._grid = device, edges, grid
        platform, opaque = device.platform, pixel_format.opaque()
        self._blocks = pixel_format.shapes(width, height)[1]
        grey = PixelFormat.make(8 if pixel_format.depth == 8 else 16, 0, 0)

        def slot() -> OutputSlot:
            picture = PictureSlot.allocate(platform, opaque, width, height)
            return OutputSlot(picture, None if composite else PictureSlot.allocate(platform, grey, width, height))

        self._outputs = Ring(slot() for _ in range(slots))
        self._half = (grid[0] // 2, grid[1] // 2)
        self._radius = local_radius(*self._half)
        self._scale = 1 / pixel_format.maximum
        self._colours = platform.empty((3, *self._half), torch.float32)
        self._around = platform.empty((6, *self._half), torch.float32)
        count = _BACKGROUNDS if composite else 0
        self._backgrounds = Ring(PictureSlot.allocate(platform, opaque, width, height) for _ in range(count))
        self._shown: tuple[Plane, ...] | None = None
        self._behind: PictureSlot | None = None

    def finish(
        self, frame: Frame | CardFrame, slot: PictureSlot, alpha: Tensor, background: tuple[Plane, ...] | None
    ) -> Finished:
        """Queue the end of a frame on the stream of the thread, which is the device's ``compute``.

        Args:
            slot: where its planes are on the card.
            alpha: its matte on the grid, float32 [rows, columns] in [0, 1].
            background: planes behind it, or None to get the frame and its matte.
        """
        device, platform = self._device, self._device.platform
        behind = None if background is None else self._uploaded(background)
        output = self._outputs.acquire()
        descriptor = slot.picture.descriptor
        around = self._surroundings(descriptor, alpha) if self._edges else None
        to = None if behind is None else behind.picture.descriptor
        out = output.picture.picture.descriptor
        matte = None if output.matte is None else output.matte.picture.samples
        sizes = (*self._grid, around, *self._half)
        platform.launch("finish", self._blocks[::-1], descriptor, alpha, *sizes, to, out, matte)
        device.download.wait_event(platform.record(device.compute))
        with platform.on(device.download):
            output.picture.download()
            if output.matte is not None:
                output.matte.download()
        return Finished(frame, output, platform.record(device.download))

    @contextmanager
    def arrived(self, finished: Finished) -> Iterator[tuple[tuple[Plane, ...], Plane]]:
        """Wait for a frame; its planes and the codes of its matte (if composited: luma again), valid inside."""
        finished.done.synchronize()
        slot = finished.slot
        try:
            yield slot.picture.planes, (slot.matte or slot.picture).planes[0]
        finally:
            self._outputs.release(slot)  # the host has read it; the card is done with it

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
