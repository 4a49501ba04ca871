"""Ctrl-C, SIGTERM or a closed terminal finishes a playable file, a second one aborts; before anything is written it
ends the program at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["Interrupt", "stop_on_signals"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Interrupt:
    """Handles signals; the first one that came is ``received``, 0 before."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self.received = 0

    @property
    def status(self) -> int:
        """The shell's exit status: 0, or 128 and the signal's number."""
        return 128 + self.received if self.received else 0

    def arm(self) -> None:
        """From now on there is a file to finish."""
        for number in _wanted():
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = number
        with suppress(OSError):  # the terminal may be gone
            print("\nstreamseg: finishing the file; interrupt again to abort", file=sys.stderr)
        self._stop()


def _wanted() -> list[signal.Signals]:
    """The signals to handle: not those that whoever started the program has it ignore, as nohup and ``&`` do."""
    numbers = [signal.Signals[name] for name in _NAMES if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[Interrupt]:
    """Once armed, call ``stop`` at the first SIGINT, SIGTERM or SIGHUP and raise KeyboardInterrupt at the second.

    Until then the system ends the program: opening a pipe without data is one long call into FFmpeg, during which
    Python runs no signal handler. For the main thread only.
    """
    before = {number: signal.signal(number, signal.SIG_DFL) for number in _wanted()}
    try:
        yield Interrupt(stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
