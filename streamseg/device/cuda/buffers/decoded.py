"""Frames of the GPU's own decoder, copied into slots without touching the host."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from streamseg.device.cuda.buffers.transfer import FrameSlot
from streamseg.device.cuda.platform import Event
from streamseg.media.pixels.gpu_frame import GPUFrame

if TYPE_CHECKING:
    from streamseg.device.cuda.device import CUDADevice

__all__ = ["DecodedFrames"]

# Frames of the decoder that are borrowed at a time: it has few, and cannot decode without a free one.
_BORROWED = 2


class DecodedFrames:
    """Copies the decoder's frames into slots, within the GPU.

    =======================  =============================================
    a frame belongs to       until
    =======================  =============================================
    the decoder              what it has queued on the default stream is
                             done: the copy waits for that
    this object (borrowed)   the event after its copy has fired
    the decoder again        (its memory may be overwritten)
    =======================  =============================================

    Args:
        device: whose stream ``upload`` the copies go to.
    """

    def __init__(self, device: CUDADevice) -> None:
        self._device = device
        self._borrowed: deque[tuple[Tensor, Tensor, Event]] = deque()

    def copy(self, frame: GPUFrame, slot: FrameSlot) -> None:
        """Queue the copy of a frame into the GPU memory of ``slot``, planar; the caller holds the slot."""
        device, platform = self._device, self._device.platform
        assert frame.native is not None
        # As capsules: when torch asks for one itself, PyAV refuses the stream that torch names.
        luma, chroma = (torch.from_dlpack(plane.__dlpack__()) for plane in frame.native.planes)  # type: ignore[attr-defined]
        device.upload.wait_event(platform.record_decoder())
        with platform.on(device.upload):
            unused = 16 - frame.format.depth if frame.format.depth > 8 else 0
            planes = (luma, luma.stride(0), chroma, chroma.stride(0), unused)
            platform.launch("unpack", (chroma.shape[1], chroma.shape[0]), *planes, slot.frame.descriptor)
        self._borrowed.append((luma, chroma, platform.record(device.upload)))
        self._give_back()

    def _give_back(self) -> None:
        while self._borrowed and (len(self._borrowed) > _BORROWED or self._borrowed[0][2].query()):
            self._borrowed[0][2].synchronize()
            self._borrowed.popleft()
