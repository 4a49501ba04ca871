"""Rates and latencies of endless streams, in constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter

import numpy as np

__all__ = ["LatencyHistogram", "Rate"]

_WINDOW_S = 2.0
_MAX_EVENTS = 512
# One bin per millisecond.
_BINS = 10_000


class Rate:
    """Events per second, over the last two seconds. One thread counts, any thread reads.

    Attributes:
        count: events so far.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.count = 0
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_MAX_EVENTS)

    def tick(self) -> None:
        """Count an event now."""
        self.count += 1
        self._times.append(self._clock())

    @property
    def per_second(self) -> float:
        """Events per second; 0 before the second event."""
        times = tuple(self._times)
        recent = [time for time in times if time > self._clock() - _WINDOW_S]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(recent[-1] - recent[0], 1e-6)


class LatencyHistogram:
    """Counts latencies per millisecond, up to ten seconds; longer ones count as ten.

    Attributes:
        last: the latency that was added last, in seconds.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS + 1, np.int64)
        self.last = 0.0

    def add(self, seconds: float) -> None:
        """Add a latency. Negative ones count as 0."""
        self.last = seconds
        self._counts[min(_BINS, max(0, round(1000 * seconds)))] += 1

    def percentile(self, percent: float) -> float:
        """Seconds that ``percent`` (0 to 100) percent of the latencies do not exceed; 0 before the first."""
        total = np.cumsum(self._counts)
        if not total[-1]:
            return 0.0
        return float(np.searchsorted(total, max(1.0, percent / 100 * total[-1]))) / 1000
