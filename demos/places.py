"""Who may use the device now, and who waits: first come, first served."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import inf
from threading import Lock
from time import monotonic

__all__ = ["Places", "default_places"]

#: Seconds after which somebody who waits, or was let in and did not come, is forgotten unless they ask again.
PATIENCE_S = 10.0


def default_places() -> int:
    """Two for each core: more than that, and everybody gets a slide show."""
    return 2 * (os.cpu_count() or 1)


class Places:
    """A limited number of places and the line before them; may be used from any thread.

    Args:
        limit: how many places there are.
        now: a clock that never goes back, in seconds.
    """

    def __init__(self, limit: int, now: Callable[[], float] = monotonic) -> None:
        self.limit = limit
        self._now, self._lock = now, Lock()
        self._taken: dict[str, float] = {}
        self._line: dict[str, float] = {}

    def ask(self, who: str) -> int:
        """Ask for a place; to be repeated while one waits, at least every few seconds.

        Returns:
            0 when ``who`` has a place, else their position in the line, from 1.
        """
        with self._lock:
            self._forget()
            if who not in self._taken:
                return self._wait(who)
            self._taken[who] = max(self._taken[who], self._now() + PATIENCE_S)
            return 0

    def hold(self, who: str) -> bool:
        """Keep the place of ``who`` until they leave; False where they have none."""
        with self._lock:
            self._forget()
            if who in self._taken:
                self._taken[who] = inf
            return who in self._taken

    def leave(self, who: str) -> None:
        """Give up the place, or the wait for one."""
        with self._lock:
            self._taken.pop(who, None)
            self._line.pop(who, None)

    @property
    def free(self) -> int:
        """Places that nobody has."""
        with self._lock:
            self._forget()
            return self.limit - len(self._taken)

    def _wait(self, who: str) -> int:
        self._line[who] = self._now() + PATIENCE_S
        ahead, free = list(self._line).index(who), self.limit - len(self._taken)
        if ahead >= free:
            return ahead - free + 1
        self._taken[who] = self._line.pop(who)
        return 0

    def _forget(self) -> None:
        now = self._now()
        for people in (self._taken, self._line):
            for who in [who for who, until in people.items() if until < now]:
                del people[who]
