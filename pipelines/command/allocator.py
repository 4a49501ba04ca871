"""Settings of the memory allocator: by default glibc holds much more than is in use, and returns pages to the system
that are needed again at once."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["keep_memory_small"]

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# In bytes. Frames of 1080p come from the heap; larger blocks live long and would leave holes in it.
_LARGE = 4 << 20
_NEVER = 1 << 30


def keep_memory_small() -> None:
    """One heap for all threads, whose freed blocks are kept and used again; call before there are threads.

    Without this each thread has a heap of its own, with the holes that frames of other threads have left in it, and a
    large block that is freed goes back to the system: the next frame then causes a page fault for every page, which
    took as long as the work on the frame. Only for a process of our own: these settings hold for all of it. Does
    nothing where the allocator is not glibc's.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
