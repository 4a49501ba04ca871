"""Ctrl-C at moments when it would do harm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["later_interrupts"]


@contextmanager
def later_interrupts() -> Iterator[None]:
    """Have Ctrl-C that comes meanwhile handled at the end, by whatever handles it otherwise.

    For moments: nothing here may wait for long. Outside the main thread, which alone gets signals, it does nothing.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    received: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: received.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if received:
            handler(signal.SIGINT, received[0])
