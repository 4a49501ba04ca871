"""A mailbox with one slot: what is put takes the place of what nobody has fetched."""

from __future__ import annotations

from queue import Empty
from threading import Condition
from typing import Generic, TypeVar

from streamseg.runtime.queue import End

__all__ = ["Mailbox"]

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Between a thread that must not wait and one that wants the newest only.

    Not for signal handlers: its calls hold a lock.

    Attributes:
        arrived: items put so far.
        dropped: items that were replaced before somebody got them.
    """

    def __init__(self) -> None:
        self.arrived = self.dropped = 0
        self._changed = Condition()
        self._item: T | None = None
        self._full = False
        self._end: End | None = None

    def put(self, item: T) -> None:
        """Leave ``item``, in the place of one that is still there; dropped after the end."""
        with self._changed:
            if self._end is not None:
                return
            self.arrived += 1
            self.dropped += self._full
            self._item, self._full = item, True
            self._changed.notify()

    def get(self, timeout: float | None = None) -> T | End:
        """Take the item; after the end that, as often as asked.

        Raises:
            queue.Empty: if nothing came within ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._full or self._end, timeout):
                raise Empty
            if not self._full:
                assert self._end is not None
                return self._end
            item, self._item, self._full = self._item, None, False
            return item  # type: ignore[return-value]  # full: there is one, and it may be None

    def end(self, failure: BaseException | None = None) -> None:
        """Take no more items; what is there can still be got, then comes the end. Only the first end counts."""
        with self._changed:
            self._end = self._end or End(failure)
            self._changed.notify_all()
