"""What is made of a frame and its matte, chosen by the words of ``--bg``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from streamseg.background import Background, BlurredBackground, open_background
from streamseg.device import Device
from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte, PixelFormat
from streamseg.matting.finish import cut_out, show_matte
from streamseg.media.conform import Shape

__all__ = ["TRANSPARENT", "Effect", "Kind", "open_effect"]

TRANSPARENT, MATTE = "transparent", "matte"


class Kind(Enum):
    """What an effect makes of a frame."""

    COMPOSITE = "the frame over planes that are known without its matte"
    BLUR = "the frame over its own background, blurred"
    ALPHA = "the frame with its matte as alpha, all else as it is"
    CONVERTED = "the same in another format"
    MATTE = "the matte in grey"


@dataclass(frozen=True, slots=True)
class Effect:
    """The last step before the sink.

    Attributes:
        apply: makes the frame to write from a frame and its matte.
        close: releases what ``apply`` holds.
        kind: of it, for whoever can do the same himself.
        background: that ``apply`` composites over; None if it does something else.
    """

    apply: Callable[[Frame, Matte], Frame]
    close: Callable[[], None]
    kind: Kind
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
        kind = Kind.ALPHA if target.opaque() == shape.format.opaque() else Kind.CONVERTED
        return Effect(lambda frame, matte: cut_out(frame, matte, target), _nothing, kind)
    if background == MATTE:
        return Effect(show_matte, _nothing, Kind.MATTE)
    behind = open_background(background, shape)
    return Effect(
        lambda frame, matte: device.composite(frame, matte, behind.planes(frame, matte)),
        behind.close,
        Kind.BLUR if isinstance(behind, BlurredBackground) else Kind.COMPOSITE,
        behind,
    )


def _nothing() -> None:
    pass
