"""What is made of a frame and its matte, chosen by the words of ``--bg``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamseg.background import Background, open_background
from streamseg.device import Device
from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte, PixelFormat
from streamseg.matting.finish import cut_out, show_matte
from streamseg.media.conform import Shape

__all__ = ["TRANSPARENT", "Effect", "open_effect"]

TRANSPARENT, MATTE = "transparent", "matte"


@dataclass(frozen=True, slots=True)
class Effect:
    """The last step before the sink.

    Attributes:
        apply: makes the frame to write from a frame and its matte.
        close: releases what ``apply`` holds.
        background: that ``apply`` composites over, for whoever can do that himself; None if it does something else.
    """

    apply: Callable[[Frame, Matte], Frame]
    close: Callable[[], None]
    background: Background | None = None


def open_effect(background: str, device: Device, shape: Shape, target: PixelFormat) -> Effect:
    """The effect for a background.

    Args:
        background: "transparent", "matte", or what open_background takes.
        device: composites.
        shape: of the frames to come.
        target: format of the frames to write.

    Raises:
        OptionError, InputError: the background is none.
    """
    if background == TRANSPARENT:
        if not target.alpha:
            raise OptionError(f"transparent: {target.name} has no alpha")
        return Effect(lambda frame, matte: cut_out(frame, matte, target), _nothing)
    if background == MATTE:
        return Effect(show_matte, _nothing)
    behind = open_background(background, shape)
    return Effect(
        lambda frame, matte: device.composite(frame, matte, behind.planes(frame, matte)),
        behind.close,
        behind,
    )


def _nothing() -> None:
    pass
