"""How the system schedules this process: as before, whatever a library does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["kept_scheduling"]


@contextmanager
def kept_scheduling() -> Iterator[None]:
    """Undo real-time priority that is given to this thread, and to threads that start, in the ``with`` block.

    SVT-AV1 takes the highest one wherever it may, that is for root: for the thread that opens an encoder, and so for
    all threads and processes that it starts later. Other programs would get no time of a core then. Only on Linux.
    """
    if sys.platform != "linux":
        yield
        return
    policy, parameters, threads = os.sched_getscheduler(0), os.sched_getparam(0), _threads()
    try:
        yield
    finally:
        for thread in {0, *_threads()} - threads:
            with suppress(OSError):  # a thread that has ended
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, parameters)


def _threads() -> set[int]:
    return {int(thread.name) for thread in Path("/proc/self/task").iterdir()}
