"""A mailbox: what is put takes the place of what nobody has fetched in time."""

from __future__ import annotations

from collections import deque
from queue import Empty
from threading import Condition
from typing import Generic, TypeVar

from streamseg.runtime.queue import End

__all__ = ["Mailbox"]

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Between a thread that must not wait and one that wants the newest.

    Not for signal handlers: its calls hold a lock.

    Args:
        slots: how many items it holds; where they are full, the oldest makes place.

    Attributes:
        arrived: items put so far.
        dropped: items that were replaced before somebody got them.
    """

    def __init__(self, slots: int = 1) -> None:
        self.arrived = self.dropped = 0
        self._changed = Condition()
        self._items: deque[T] = deque(maxlen=slots)
        self._end: End | None = None

    def put(self, item: T) -> None:
        """Leave ``item``, if need be in the place of the oldest; dropped after the end."""
        with self._changed:
            if self._end is not None:
                return
            self.arrived += 1
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._changed.notify()

    def get(self, timeout: float | None = None) -> T | End:
        """Take the oldest item; after the end that, as often as asked.

        Raises:
            queue.Empty: if nothing came within ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._end, timeout):
                raise Empty
            if self._items:
                return self._items.popleft()
            assert self._end is not None
            return self._end

    def end(self, failure: BaseException | None = None) -> None:
        """Take no more items; what is there can still be got, then comes the end. Only the first end counts."""
        with self._changed:
            self._end = self._end or End(failure)
            self._changed.notify_all()
