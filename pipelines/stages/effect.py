"""The effect that ``--bg`` chooses: a frame and its matte become the frame to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from streamseg.background import Background, BlurredBackground, open_background
from streamseg.device import Device
from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte, PixelFormat
from streamseg.matting.compositing.outputs import cut_out, show_matte
from streamseg.media.pixels.conform import Shape

__all__ = ["TRANSPARENT", "Effect", "Kind", "open_effect"]

TRANSPARENT, MATTE = "transparent", "matte"


class Kind(Enum):
    """What an effect makes of a frame."""

    COMPOSITE = "the frame over a background that does not depend on the matte"
    BLUR = "the frame over its own background, blurred"
    ALPHA = "the frame in its own format, with the matte as alpha"
    CONVERTED = "the frame in another format, with the matte as alpha"
    MATTE = "the matte as a grey frame"


@dataclass(frozen=True, slots=True)
class Effect:
    """The last step before the sink.

    Attributes:
        apply: makes the frame to write from a frame and its matte.
        close: releases what ``apply`` holds.
        kind: what ``apply`` does, for a device that can do the same.
        background: what ``apply`` composites over; None if it does not composite.
    """

    apply: Callable[[Frame, Matte], Frame]
    close: Callable[[], None]
    kind: Kind
    background: Background | None = None


def open_effect(
    background: str, device: Device, shape: Shape, target: PixelFormat, begins: float | None = None
) -> Effect:
    """The effect for a background.

    Args:
        background: "transparent", "matte", or what open_background takes.
        device: does the compositing.
        shape: of the frames to come.
        target: pixel format of the frames to write.
        begins: time at which a video behind them begins, in seconds; None for that of the first frame.

    Raises:
        OptionError: a blur strength or colour that is out of range, or transparency without an alpha plane.
        InputError: no such file or colour, or a file that does not decode.
    """
    if background == TRANSPARENT:
        if not target.alpha:
            raise OptionError(f"transparent: {target.name} has no alpha")
        kind = Kind.ALPHA if target.opaque() == shape.format.opaque() else Kind.CONVERTED
        return Effect(lambda frame, matte: cut_out(frame, matte, target), _nothing, kind)
    if background == MATTE:
        return Effect(show_matte, _nothing, Kind.MATTE)
    opened = open_background(background, shape, begins)
    return Effect(
        lambda frame, matte: device.composite(frame, matte, opened.planes(frame, matte)),
        opened.close,
        Kind.BLUR if isinstance(opened, BlurredBackground) else Kind.COMPOSITE,
        opened,
    )


def _nothing() -> None:
    pass
