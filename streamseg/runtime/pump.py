"""A thread that passes on the items of an iterable."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any

__all__ = ["Pump"]


class Pump:
    """Starts on construction. An exception of the source or of ``put`` is passed to ``end``, not raised in the thread.

    Args:
        source: iterated once, in the pump's thread; that is a daemon, so a blocked source does not keep the process.
        put: called in that thread with each item.
        end: called in that thread at the end, with the exception or None.
        name: name of the thread.
    """

    def __init__(
        self,
        source: Iterable[Any],
        put: Callable[[Any], object],
        end: Callable[[BaseException | None], object],
        name: str,
    ) -> None:
        self._thread = Thread(target=_pump, args=(source, put, end), name=f"streamseg {name}", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most ``timeout`` seconds. Returns whether the thread has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()


def _pump(source: Iterable[Any], put: Callable[[Any], object], end: Callable[[BaseException | None], object]) -> None:
    try:
        for item in source:
            put(item)
    except BaseException as failure:
        end(failure)
    else:
        end(None)
