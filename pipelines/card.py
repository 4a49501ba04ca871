"""The line of production where a card does all of it: frames go up, and come down finished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.background import BlurredBackground
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.sharpener import Cutout
from streamseg.media.card_frame import CardFrame
from streamseg.runtime import Stage

from .effect import Effect, Kind

if TYPE_CHECKING:
    from streamseg.device.cuda.device import CUDADevice
    from streamseg.device.cuda.finish import Finished
    from streamseg.device.cuda.line import Line, Uploaded

    from .matting import Matting

__all__ = ["card_finishes", "card_stages"]

# By what name the card knows what it can do.
_ON_CARD = {Kind.COMPOSITE: "COMPOSITE", Kind.ALPHA: "ALPHA", Kind.MATTE: "MATTE", Kind.BLUR: "BLURRED"}
# For backgrounds that do not look at the matte.
_NO_MATTE = Matte(np.zeros((1, 1), np.uint8))


def card_finishes(effect: Effect) -> bool:
    """Whether a card can make of a frame what ``effect`` does, so that only that comes down."""
    return effect.kind in _ON_CARD


def card_stages(device: Any, matting: Matting, ahead: bool, effect: Effect | None = None) -> list[Stage[Any, Any]]:
    """The stages from a Frame or CardFrame to a Cutout, or to the Frame that an effect makes.

    Args:
        device: a CUDADevice.
        ahead: hold a frame back so that the card is never idle; see LineOptions.
        effect: one that card_finishes says yes to; None for cut-outs.
    """
    card = _Card(device, matting, ahead, effect)
    return [Stage("upload", card.upload), Stage("card", card.step, card.finish), Stage("download", card.download)]


class _Card:
    """Opens the line with the first frame, whose format and size are those of all.

    The memory belongs to the stages: it is free again when they are.
    """

    def __init__(self, device: CUDADevice, matting: Matting, ahead: bool, effect: Effect | None) -> None:
        self._device, self._matting, self._ahead, self._effect = device, matting, ahead, effect
        self._line: Line | None = None

    def upload(self, frame: Frame | CardFrame) -> Uploaded:
        if self._line is None:
            self._line = self._opened(frame)
        return self._line.upload(frame)

    def _opened(self, frame: Frame | CardFrame) -> Line:
        from streamseg.device.cuda.finish import Output
        from streamseg.device.cuda.line import Line, LineOptions

        matting, speed = self._matting, self._matting.pace
        options = LineOptions(
            steady=matting.steady,
            look_ahead=matting.look_ahead,
            edges=matting.edges,
            every=speed.every,
            picture=speed.picture,
            grid=speed.grid,
            batch=self._device.batch,
            ahead=self._ahead,
        )
        output = Output.CUTOUT if self._effect is None else Output[_ON_CARD[self._effect.kind]]
        behind = None if self._effect is None else self._effect.background
        blur = behind.small if isinstance(behind, BlurredBackground) else None
        return Line(self._device, frame.format, frame.width, frame.height, options, output, blur)

    def step(self, uploaded: Uploaded) -> list[Finished]:
        assert self._line is not None
        return self._line.step(uploaded, self._behind(uploaded.frame))

    def _behind(self, frame: Frame | CardFrame) -> tuple[Plane, ...] | None:
        behind = None if self._effect is None else self._effect.background
        if behind is None or isinstance(behind, BlurredBackground):  # the card makes that of the frame
            return None
        return behind.planes(frame, _NO_MATTE)

    def finish(self) -> Iterator[Finished]:
        return iter(()) if self._line is None else self._line.finish()

    def download(self, finished: Finished) -> Frame | Cutout:
        assert self._line is not None
        if self._effect is None:
            return self._line.download_cutout(finished)
        return self._line.download(finished)
