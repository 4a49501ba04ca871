"""Memory of visitors who have gone: back to the system, where the C library is glibc."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

__all__ = ["give_back", "keep_little"]

_ARENA_MAX = -8  # of glibc's mallopt: M_ARENA_MAX
_ARENAS = 2


def keep_little() -> None:
    """Every visitor's threads come and go; glibc would give them eight heaps for each core, and keep what each held."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """What somebody took: aiortc's objects hold one another, and glibc keeps what is free."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
