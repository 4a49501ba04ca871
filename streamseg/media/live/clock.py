"""Time stamps of live frames: microseconds of a monotonic clock."""

from __future__ import annotations

from fractions import Fraction
from time import perf_counter

from streamseg.frame import Frame

__all__ = ["LIVE_TIME_BASE", "LiveClock"]

#: Seconds per unit of the pts of live frames.
LIVE_TIME_BASE = Fraction(1, 1_000_000)


class LiveClock:
    """Counts seconds from its creation."""

    def __init__(self) -> None:
        self._origin = perf_counter()

    def now(self) -> float:
        """Seconds since the creation of the clock."""
        return perf_counter() - self._origin

    def pts(self, time: float | None = None) -> int:
        """``time`` (None: now) as a time stamp in LIVE_TIME_BASE."""
        return round((self.now() if time is None else time) / LIVE_TIME_BASE)

    def age(self, frame: Frame) -> float:
        """Seconds since a live frame was captured."""
        return self.now() - frame.time
