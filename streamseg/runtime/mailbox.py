"""A mailbox: holds the newest items and drops those that are not fetched in time."""

from __future__ import annotations

from collections import deque
from queue import Empty
from threading import Condition
from typing import Generic, TypeVar

from streamseg.runtime.queue import End

__all__ = ["Mailbox"]

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Connects a thread that must not wait with one that wants the newest items.

    Not safe in signal handlers: its methods hold a lock.

    Args:
        slots: number of items that it holds; when it is full, a new item replaces the oldest.

    Attributes:
        arrived: items put so far.
        dropped: items that were replaced before they were fetched.
    """

    def __init__(self, slots: int = 1) -> None:
        self.arrived = self.dropped = 0
        self._changed = Condition()
        self._items: deque[T] = deque(maxlen=slots)
        self._end: End | None = None

    def put(self, item: T) -> None:
        """Store ``item``, replacing the oldest if the mailbox is full. Does nothing after the end."""
        with self._changed:
            if self._end is not None:
                return
            self.arrived += 1
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._changed.notify()

    def get(self, timeout: float | None = None) -> T | End:
        """Wait for the oldest item and remove it. After the last item, every call returns the end.

        Raises:
            queue.Empty: nothing arrived within ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._end, timeout):
                raise Empty
            if self._items:
                return self._items.popleft()
            assert self._end is not None
            return self._end

    def end(self, failure: BaseException | None = None) -> None:
        """Accept no more items. Stored items can still be fetched before the end. Only the first end counts."""
        with self._changed:
            self._end = self._end or End(failure)
            self._changed.notify_all()
