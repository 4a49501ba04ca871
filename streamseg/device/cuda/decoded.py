"""Pictures that the card's own decoder has made, taken over without touching the host."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from streamseg.device.cuda.platform import Event
from streamseg.device.cuda.transfer import PictureSlot
from streamseg.media.card_frame import CardFrame

if TYPE_CHECKING:
    from streamseg.device.cuda.device import CUDADevice

__all__ = ["DecodedPictures"]

# Pictures of the decoder that are held at a time: it has few, and decodes nothing without one.
_LENT = 2


class DecodedPictures:
    """Copies the decoder's pictures into slots of ours, within the card.

    =======================  =============================================
    a picture is             until
    =======================  =============================================
    the decoder's            what it has queued on the default stream is
                             done: the copy waits for that
    lent (held here)         the event behind its copy has fired
    the decoder's again      (its memory may be written anew)
    =======================  =============================================

    Args:
        device: whose stream ``upload`` the copies go to.
    """

    def __init__(self, device: CUDADevice) -> None:
        self._device = device
        self._lent: deque[tuple[Tensor, Tensor, Event]] = deque()

    def copy(self, frame: CardFrame, slot: PictureSlot) -> None:
        """Queue the copy of a picture into the card's side of ``slot``, planar; whoever calls holds the slot."""
        device, platform = self._device, self._device.platform
        assert frame.native is not None
        # As capsules: asked for one by torch, PyAV would refuse the stream that torch names.
        luma, turns = (torch.from_dlpack(plane.__dlpack__()) for plane in frame.native.planes)  # type: ignore[attr-defined]
        device.upload.wait_event(platform.decoder_mark())
        with platform.on(device.upload):
            unused = 16 - frame.format.depth if frame.format.depth > 8 else 0
            planes = (luma, luma.stride(0), turns, turns.stride(0), unused)
            platform.launch("unpack", (turns.shape[1], turns.shape[0]), *planes, slot.picture.descriptor)
        self._lent.append((luma, turns, platform.record(device.upload)))
        self._give_back()

    def _give_back(self) -> None:
        while self._lent and (len(self._lent) > _LENT or self._lent[0][2].query()):
            self._lent[0][2].synchronize()
            self._lent.popleft()
