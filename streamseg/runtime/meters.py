"""Figures of something that goes on and on, in memory that does not grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter

import numpy as np

__all__ = ["Delays", "Rate"]

_SECONDS = 2.0
_MOST_EVENTS = 512
_BINS = 10_000


class Rate:
    """Events a second, over the last two seconds. One thread counts, any thread reads.

    Attributes:
        count: events so far.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.count = 0
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_MOST_EVENTS)

    def tick(self) -> None:
        """Something happened now."""
        self.count += 1
        self._times.append(self._clock())

    @property
    def per_second(self) -> float:
        """0 before the second event."""
        times = tuple(self._times)
        recent = [time for time in times if time > self._clock() - _SECONDS]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(recent[-1] - recent[0], 1e-6)


class Delays:
    """How long things took, in whole milliseconds up to ten seconds; longer ones count as ten."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS + 1, np.int64)
        self.last = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.last = seconds
        self._counts[min(_BINS, max(0, round(1000 * seconds)))] += 1

    def percentile(self, part: float) -> float:
        """Seconds within which ``part`` (0 to 100) percent of all lay; 0 before the first."""
        total = np.cumsum(self._counts)
        if not total[-1]:
            return 0.0
        return float(np.searchsorted(total, max(1.0, part / 100 * total[-1]))) / 1000
