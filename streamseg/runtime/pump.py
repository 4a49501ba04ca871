"""A thread that hands over what a source gives, for as long as it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any

__all__ = ["Pump"]


class Pump:
    """Runs at once. The source's failure, if it has one, goes to ``end``; nothing is raised in the thread.

    Args:
        source: iterated once, in the pump's thread (a daemon: a source that blocks for ever ends with the process).
        put: called there with each item.
        end: called there at the end, with the failure or None.
        name: of the thread.
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
        """Wait for the end, ``timeout`` seconds at most; gives whether it has come."""
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
