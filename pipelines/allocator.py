"""How the process's memory is kept: glibc's defaults hold much more than what is in use, and give back what is needed
again at once."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["keep_memory_small"]

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# Frames of 1080p come from the heap; what is larger stays for long, and would leave holes.
_LARGE = 4 << 20
_NEVER = 1 << 30


def keep_memory_small() -> None:
    """One heap for all threads, whose freed blocks are kept and used again; call before there are threads.

    Without this each thread has a heap of its own, with the holes that frames of other threads have left in it, and a
    large block that is freed goes back to the system: the next frame then faults all of its pages in anew, which took
    as long as the arithmetic on them. For a process of our own only: settings of the allocator are everybody's. Does
    nothing where the allocator is not glibc's.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
