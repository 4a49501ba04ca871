"""What stands behind live pictures: it can be changed while they run, and survives a change of their size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from threading import Lock

from streamseg.device import Device
from streamseg.errors import OptionError, StreamsegError
from streamseg.frame import Colour, Frame, Matte, PixelFormat
from streamseg.media.conform import Shape

from .effect import TRANSPARENT, Effect, open_effect

__all__ = ["LIVE_FORMAT", "Scenery", "shape_of"]

# Of a file that has gone when the pictures change their size: it needs nothing.
_LAST_RESORT = "blur"
#: The format of live frames.
LIVE_FORMAT = PixelFormat.parse("yuv420p")
_USUAL = Shape(640, 480, LIVE_FORMAT, Colour(1, 1, 1, 1), Fraction(1))


class Scenery:
    """The effect of the background that was chosen last.

    ``apply`` and ``close`` belong to one thread, ``change`` may be called by any.

    Args:
        device: composites.
        background: as for change.
        say: called with one sentence where a background is lost.

    Raises:
        OptionError, InputError: there is no such background.
    """

    def __init__(self, device: Device, background: str, say: Callable[[str], None] = lambda sentence: None) -> None:
        self._device, self._say, self._lock = device, say, Lock()
        self._shape = _USUAL
        self._effect: Effect | None = None
        self._next: tuple[Shape, Effect] | None = None
        self.background = background
        self.change(background)

    def change(self, background: str) -> None:
        """Show another background from the next frame on; one that cannot be had leaves the old one.

        Args:
            background: what open_background takes, or "matte".

        Raises:
            OptionError, InputError: there is no such background.
        """
        if background == TRANSPARENT:
            raise OptionError("transparent: live pictures have no alpha; take a colour that can be keyed, as #00b140")
        shape = self._shape
        opened = shape, open_effect(background, self._device, shape, shape.format)
        with self._lock:
            unused, self._next = self._next, opened
            self.background = background
        if unused is not None:
            unused[1].close()

    def apply(self, frame: Frame, matte: Matte) -> Frame:
        """The frame before the background."""
        effect = self._effect_for(shape_of(frame))
        return effect.apply(frame, matte)

    def _effect_for(self, shape: Shape) -> Effect:
        with self._lock:
            chosen, self._next = self._next, None
        if chosen is not None:
            self._close_effect()
            self._opened_for, self._effect = chosen
        if self._effect is None or self._opened_for != shape:
            self._close_effect()
            self._shape = self._opened_for = shape
            self._effect = self._opened(shape)
        return self._effect

    def _opened(self, shape: Shape) -> Effect:
        try:
            return open_effect(self.background, self._device, shape, shape.format)
        except StreamsegError as error:
            self._say(f"{error}; blurring instead")
            self.background = _LAST_RESORT
            return open_effect(self.background, self._device, shape, shape.format)

    def close(self) -> None:
        """Release what the backgrounds hold, also one that was never shown."""
        with self._lock:
            unused, self._next = self._next, None
        if unused is not None:
            unused[1].close()
        self._close_effect()

    def _close_effect(self) -> None:
        if self._effect is not None:
            self._effect.close()
            self._effect = None


def shape_of(frame: Frame) -> Shape:
    """What a frame has in common with those before and behind it."""
    aspect = frame.sample_aspect_ratio
    return replace(
        _USUAL,
        width=frame.width,
        height=frame.height,
        format=frame.format.opaque(),
        colour=frame.colour,
        sample_aspect_ratio=aspect,
    )
