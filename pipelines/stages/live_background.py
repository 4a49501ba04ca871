"""The background of live frames: it can be changed while they run, and follows a change of their size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from threading import Lock

from streamseg.device import Device
from streamseg.errors import OptionError, StreamsegError
from streamseg.frame import Colour, Frame, Matte, PixelFormat
from streamseg.media.pixels.conform import Shape

from .effect import TRANSPARENT, Effect, open_effect

__all__ = ["LIVE_FORMAT", "LiveBackground", "shape_of"]

# Where a background file has gone when the frames change their size.
_FALLBACK = "blur"
#: The format of live frames.
LIVE_FORMAT = PixelFormat.parse("yuv420p")
_DEFAULT_SHAPE = Shape(640, 480, LIVE_FORMAT, Colour(1, 1, 1, 1), Fraction(1))


class LiveBackground:
    """The effect of the background that was chosen last.

    ``apply``, ``effect`` and ``close`` belong to one thread, ``change`` may be called by any.

    Args:
        device: does the compositing.
        background: as for change.
        report: called with one sentence when a background is lost.

    Raises:
        OptionError, InputError: there is no such background.
    """

    def __init__(self, device: Device, background: str, report: Callable[[str], None] = lambda sentence: None) -> None:
        self._device, self._report, self._lock = device, report, Lock()
        self._shape = _DEFAULT_SHAPE
        self._effect: Effect | None = None
        self._next: tuple[Shape, Effect] | None = None
        self.background = background
        self.change(background)

    def change(self, background: str) -> None:
        """Show another background from the next frame on; if it cannot be opened, the old one stays.

        Args:
            background: what open_background takes, or "matte".

        Raises:
            OptionError, InputError: there is no such background.
        """
        if background == TRANSPARENT:
            raise OptionError("transparent: live frames have no alpha; use a colour that can be keyed, such as #00b140")
        shape = self._shape
        opened = shape, open_effect(background, self._device, shape, shape.format)
        with self._lock:
            unused, self._next = self._next, opened
            self.background = background
        if unused is not None:
            unused[1].close()

    def apply(self, frame: Frame, matte: Matte) -> Frame:
        """The frame over the background."""
        return self.effect(frame).apply(frame, matte)

    def effect(self, frame: Frame) -> Effect:
        """The effect for a frame, for a device that does it itself."""
        return self._effect_for(shape_of(frame))

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
            self._report(f"{error}; blurring instead")
            self.background = _FALLBACK
            return open_effect(self.background, self._device, shape, shape.format)

    def close(self) -> None:
        """Release what the backgrounds hold, also one that was never used."""
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
    """The shape of a live frame."""
    aspect = frame.sample_aspect_ratio
    return replace(
        _DEFAULT_SHAPE,
        width=frame.width,
        height=frame.height,
        format=frame.format.opaque(),
        colour=frame.colour,
        sample_aspect_ratio=aspect,
    )
