"""Ctrl-C once finishes a playable file; twice gives up; while nothing is begun it ends the program at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupt", "stop_on_signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """What a signal does, and which one came."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self.received = 0

    @property
    def status(self) -> int:
        """The shell's exit status: 0, or 128 and the signal's number."""
        return 128 + self.received if self.received else 0

    def arm(self) -> None:
        """From now on there is something to finish."""
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = number
        print("\nstreamseg: finishing the file; interrupt again to give up", file=sys.stderr)
        self._stop()


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[Interrupt]:
    """Once armed, call ``stop`` at the first SIGINT or SIGTERM and raise KeyboardInterrupt at the second.

    Until then the system ends the program: opening a silent pipe is one long call into FFmpeg, in which no
    handler of Python's would run. Belongs to the main thread.
    """
    before = {number: signal.signal(number, signal.SIG_DFL) for number in _SIGNALS}
    try:
        yield Interrupt(stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
