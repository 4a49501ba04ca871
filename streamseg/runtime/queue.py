"""A bounded queue between two threads, whose end travels through it like an item."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from streamseg.runtime.statistics import QueueStatistics

__all__ = ["BoundedQueue", "Cancelled", "End"]

T = TypeVar("T")


class Cancelled(Exception):
    """Nobody reads this queue any more: the one who puts into it should end."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a stream, and the failure that caused it, if one did."""

    failure: BaseException | None = None


class BoundedQueue(Generic[T]):
    """One thread puts, one thread gets, and any thread may end or cancel.

    Free places and items each travel through a ``SimpleQueue``. Its calls are reentrant and hold no lock
    between two lines of Python, so `end` and `cancel` are safe in a signal handler, whatever it
    interrupted.

    Attributes:
        statistics: how full the queue was; written by the thread that puts.
        closed: whether :meth:`put` accepts no more items.
    """

    def __init__(self, capacity: int) -> None:
        """Make an empty queue for `capacity` items.

        Raises:
            ValueError: if `capacity` is less than 1.
        """
        if capacity < 1:
            raise ValueError(f"a queue holds at least 1 item, got capacity {capacity}")
        self.statistics = QueueStatistics(capacity)
        self.closed = False
        self._cancelled = False
        self._items: SimpleQueue[T | End] = SimpleQueue()
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(capacity):
            self._places.put(None)

    def put(self, item: T) -> None:
        """Append `item`, waiting for a free place.

        Raises:
            Cancelled: if the queue is closed, before or during the wait; the item is dropped.
        """
        if not self.closed:
            self._places.get()
        if self.closed:
            raise Cancelled
        self.statistics.count(self.statistics.capacity - self._places.qsize())
        self._items.put(item)

    def get(self, timeout: float | None = None) -> T | End:
        """Take the oldest item, or the end; after an end there is nothing more to get.

        Raises:
            queue.Empty: if nothing came within `timeout` seconds.
        """
        item = self._items.get(timeout=timeout)
        if self._cancelled:
            return End()
        if not isinstance(item, End):
            self._places.put(None)
        return item

    def end(self, failure: BaseException | None = None) -> None:
        """Accept no more items. What is in the queue can still be got, then comes the end.

        Only the first end is ever got: later ones, and their failures, go unread.
        """
        self.closed = True
        self._items.put(End(failure))
        self._places.put(None)  # wakes a waiting put

    def cancel(self) -> None:
        """Accept no more items, drop what is in the queue and end it without a failure."""
        self._cancelled = True
        self._drop_items()
        self.end()

    def _drop_items(self) -> None:
        try:
            while True:
                self._items.get_nowait()
        except Empty:
            return
