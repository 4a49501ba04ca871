"""Who may use the device now, and who waits: first come, first served."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from threading import Lock
from time import monotonic

from streamseg.runtime import usable_cores

__all__ = ["Admission", "default_capacity"]

#: Seconds after which a visitor is forgotten who waits, or was admitted and did not come, and does not request again.
TIMEOUT_S = 10.0


def default_capacity() -> int:
    """Two visitors for each core: with more, nobody gets a fluent video."""
    return 2 * usable_cores()


class Admission:
    """A limited number of slots and the queue for them; may be used from any thread.

    Args:
        capacity: number of slots.
        clock: monotonic time in seconds.
    """

    def __init__(self, capacity: int, clock: Callable[[], float] = monotonic) -> None:
        self.capacity = capacity
        self._clock, self._lock = clock, Lock()
        # Visitor → time of expiry; both in the order of arrival.
        self._admitted: dict[str, float] = {}
        self._queue: dict[str, float] = {}

    def request(self, visitor: str) -> int:
        """Request a slot; to be repeated while waiting, at least every few seconds.

        Returns:
            0 when ``visitor`` has a slot, else the position in the queue, from 1.
        """
        with self._lock:
            self._remove_expired()
            if visitor not in self._admitted:
                return self._enqueue(visitor)
            self._admitted[visitor] = max(self._admitted[visitor], self._clock() + TIMEOUT_S)
            return 0

    def hold(self, visitor: str) -> bool:
        """Keep the slot of ``visitor`` until it is released; False if there is none."""
        with self._lock:
            self._remove_expired()
            if visitor in self._admitted:
                self._admitted[visitor] = inf
            return visitor in self._admitted

    def release(self, visitor: str) -> None:
        """Give up the slot, or the position in the queue."""
        with self._lock:
            self._admitted.pop(visitor, None)
            self._queue.pop(visitor, None)

    @property
    def free(self) -> int:
        """Number of slots that nobody has."""
        with self._lock:
            self._remove_expired()
            return self._free_slots()

    def _free_slots(self) -> int:
        return self.capacity - len(self._admitted)

    def _enqueue(self, visitor: str) -> int:
        self._queue[visitor] = self._clock() + TIMEOUT_S
        ahead, free = list(self._queue).index(visitor), self._free_slots()
        if ahead >= free:
            return ahead - free + 1
        self._admitted[visitor] = self._queue.pop(visitor)
        return 0

    def _remove_expired(self) -> None:
        now = self._clock()
        for visitors in (self._admitted, self._queue):
            for visitor in [visitor for visitor, expiry in visitors.items() if expiry < now]:
                del visitors[visitor]
