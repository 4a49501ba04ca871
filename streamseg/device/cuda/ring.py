"""Buffers that are allocated once and go round."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Generic, TypeVar

from streamseg.device.cuda.platform import Event
from streamseg.errors import DeviceError

__all__ = ["Ring"]

Slot = TypeVar("Slot")


class Ring(Generic[Slot]):
    """Slots of memory, each owned by one side at a time.

    ========  =====================================  =============================
    state     who may touch its memory               left by
    ========  =====================================  =============================
    free      nobody                                 ``acquire`` → held
    held      who acquired it: to fill it on the     ``release`` → drains; without
              host, and to queue work that uses it   an event → free
    drains    the card, with the work queued so far  its event fires → free
    ========  =====================================  =============================

    So no memory is filled anew while the card may still read or write it, whatever the timing: ``acquire`` waits for
    the event of the slot that has drained longest. While all slots are held it waits for one to be released.

    Args:
        slots: what goes round.
    """

    def __init__(self, slots: Iterable[Slot]) -> None:
        self._waiting: deque[tuple[Slot, Event | None]] = deque((slot, None) for slot in slots)
        self._held: list[Slot] = []
        self._changed = Condition()
        self._closed = False

    def acquire(self) -> Slot:
        """The slot that was released first, once the card is done with it.

        Raises:
            DeviceError: the ring was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                raise DeviceError("the device was closed while a frame was waiting for it")
            slot, event = self._waiting.popleft()
            self._held.append(slot)
        if event is not None:
            event.synchronize()
        return slot

    def release(self, slot: Slot, event: Event | None = None) -> None:
        """Give a held slot back; ``event`` is behind all the work that uses it.

        Raises:
            ValueError: the slot is not held.
        """
        with self._changed:
            place = next((at for at, held in enumerate(self._held) if held is slot), None)
            if place is None:
                raise ValueError("a slot was released that nobody holds")
            del self._held[place]
            self._waiting.append((slot, event))
            self._changed.notify()

    @contextmanager
    def borrowed(self, mark: Callable[[], Event]) -> Iterator[Slot]:
        """A slot for the time of a ``with``; given back behind ``mark()``, after a failure too."""
        slot = self.acquire()
        try:
            yield slot
        finally:
            self.release(slot, mark())

    def close(self) -> None:
        """Whoever waits for a slot, or will, fails."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
