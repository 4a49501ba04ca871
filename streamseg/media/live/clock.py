"""Time stamps of live frames: microseconds of a monotonic clock."""

from __future__ import annotations

from fractions import Fraction
from time import perf_counter

from streamseg.frame import Frame

__all__ = ["LIVE_TIME_BASE", "LiveClock", "SenderClock"]

#: Seconds per unit of the pts of live frames.
LIVE_TIME_BASE = Fraction(1, 1_000_000)

# By how much a sender's clock may run behind this one in each frame; and a gap after which it is read anew. Seconds.
_DRIFT_S, _GAP_S = 1e-4, 1.0


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


class SenderClock:
    """Puts the time stamps of a sender, such as a browser, on a live clock.

    Frames keep the distances at which they were captured, whatever the network does to them: those that come earliest
    say how far the clocks are apart. After a gap that is measured anew.

    Args:
        clock: of the receiver.
    """

    def __init__(self, clock: LiveClock) -> None:
        self._clock, self._offset = clock, float("inf")

    def pts(self, sent: float) -> int:
        """Time stamp in LIVE_TIME_BASE, not in the future, of a frame that comes now, sent at ``sent`` seconds."""
        newest = self._clock.now() - sent
        if newest > self._offset + _GAP_S:
            self._offset = newest
        self._offset = min(self._offset + _DRIFT_S, newest)
        return self._clock.pts(sent + self._offset)
