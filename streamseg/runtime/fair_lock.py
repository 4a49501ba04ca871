"""A lock that is granted in the order of the requests."""

from __future__ import annotations

from collections import deque
from threading import Lock
from types import TracebackType

__all__ = ["FairLock"]


class FairLock:
    """A lock for ``with``, first come, first served: no thread overtakes one that has waited longer."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._held = False
        self._waiting: deque[Lock] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            handover = Lock()
            handover.acquire()
            self._waiting.append(handover)
        handover.acquire()  # blocks until the holder releases it

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False
