"""Memory of threads and work that have ended: back to the system, where the C library is glibc."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

__all__ = ["limit_arenas", "trim"]

_M_ARENA_MAX = -8  # of glibc's mallopt
_ARENAS = 2


def limit_arenas() -> None:
    """Limit glibc to two arenas, for servers.

    Threads come and go with every visitor; glibc would make up to eight arenas for each core, and keep what each held.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, _ARENAS)


def trim() -> None:
    """Return free memory to the system: objects in reference cycles are collected, and glibc keeps what is freed."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
