"""Buffers that are allocated once and reused."""

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
    state     who may access its memory              left by
    ========  =====================================  =============================
    free      nobody                                 ``acquire`` → held
    held      who acquired it: to fill it on the     ``release`` → draining;
              host, and to queue work that uses it   without an event → free
    draining  the GPU, with the work queued so far   its event fires → free
    ========  =====================================  =============================

    So no memory is written while the GPU may still access it, whatever the timing: ``acquire`` waits for the event of
    the slot that has been draining longest. While all slots are held it waits for one to be released.

    Args:
        slots: to be reused.
    """

    def __init__(self, slots: Iterable[Slot]) -> None:
        self._released: deque[tuple[Slot, Event | None]] = deque((slot, None) for slot in slots)
        self._held: list[Slot] = []
        self._changed = Condition()
        self._closed = False

    def acquire(self) -> Slot:
        """The slot that was released first, once the GPU is done with it.

        Raises:
            DeviceError: the ring was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._released or self._closed)
            if self._closed:
                raise DeviceError("the device was closed while a frame was waiting for it")
            slot, event = self._released.popleft()
            self._held.append(slot)
        if event is not None:
            event.synchronize()
        return slot

    def release(self, slot: Slot, event: Event | None = None) -> None:
        """Give a held slot back; ``event`` comes after all the work that uses it.

        Raises:
            ValueError: the slot is not held.
        """
        with self._changed:
            index = next((index for index, held in enumerate(self._held) if held is slot), None)
            if index is None:
                raise ValueError("a slot was released that is not held")
            del self._held[index]
            self._released.append((slot, event))
            self._changed.notify()

    @contextmanager
    def borrowed(self, record: Callable[[], Event]) -> Iterator[Slot]:
        """A slot for a ``with`` block; released with the event ``record()``, after a failure too."""
        slot = self.acquire()
        try:
            yield slot
        finally:
            self.release(slot, record())

    def close(self) -> None:
        """Calls that wait for a slot, now or later, fail."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
