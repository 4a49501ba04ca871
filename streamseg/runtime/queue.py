"""A bounded queue between two threads. The end of the stream passes through it like an item."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from streamseg.runtime.statistics import QueueStatistics

__all__ = ["BoundedQueue", "Cancelled", "End"]

T = TypeVar("T")


class Cancelled(Exception):
    """The queue was closed: the thread that puts into it should end."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a stream, with the exception that caused it, if there was one."""

    failure: BaseException | None = None


class BoundedQueue(Generic[T]):
    """One thread puts, one thread gets; any thread may end or cancel.

    Items pass through one ``SimpleQueue``, tokens for free slots through another. Its methods are reentrant and hold no
    lock between two lines of Python, so `end` and `cancel` are safe in signal handlers.

    Attributes:
        statistics: how full the queue was; written by the thread that puts.
        closed: whether :meth:`put` rejects items.
    """

    def __init__(self, capacity: int) -> None:
        """Create an empty queue for `capacity` items.

        Raises:
            ValueError: `capacity` is less than 1.
        """
        if capacity < 1:
            raise ValueError(f"queue capacity {capacity}: expected at least 1")
        self.statistics = QueueStatistics(capacity)
        self.closed = False
        self._cancelled = False
        self._items: SimpleQueue[T | End] = SimpleQueue()
        self._free_slots: SimpleQueue[None] = SimpleQueue()
        for _ in range(capacity):
            self._free_slots.put(None)

    def put(self, item: T) -> None:
        """Append `item`, after waiting for a free slot.

        Raises:
            Cancelled: the queue was closed before or during the wait; the item is dropped.
        """
        if not self.closed:
            self._free_slots.get()
        if self.closed:
            raise Cancelled
        self.statistics.count(self.statistics.capacity - self._free_slots.qsize())
        self._items.put(item)

    def get(self, timeout: float | None = None) -> T | End:
        """Wait for the oldest item and remove it, or the end. After the end there is nothing more to get.

        Raises:
            queue.Empty: nothing arrived within `timeout` seconds.
        """
        item = self._items.get(timeout=timeout)
        if self._cancelled:
            return End()
        if not isinstance(item, End):
            self._free_slots.put(None)
        return item

    def end(self, failure: BaseException | None = None) -> None:
        """Accept no more items. Items in the queue can still be fetched, followed by the end.

        Only the first end is fetched; later ones and their exceptions are ignored.
        """
        self.closed = True
        self._items.put(End(failure))
        self._free_slots.put(None)  # wakes a waiting put

    def cancel(self) -> None:
        """Accept no more items, drop those in the queue and end it without an exception."""
        self._cancelled = True
        self._drop_items()
        self.end()

    def _drop_items(self) -> None:
        try:
            while True:
                self._items.get_nowait()
        except Empty:
            return
