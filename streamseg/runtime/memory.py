"""What the C library does with freed memory, where it is glibc."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

__all__ = ["keep_freed", "limit_arenas", "trim"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's mallopt
_ARENAS = 2
# Ample for the arrays of a frame of 1080p; and the most that glibc accepts.
_KEPT_BYTES, _NOT_MAPPED_BYTES = 256 << 20, 32 << 20


def limit_arenas() -> None:
    """Limit glibc to two arenas, for servers.

    Threads come and go with every visitor; glibc would make up to eight arenas for each core, and keep what each held.
    """
    _set(_M_ARENA_MAX, _ARENAS)


def keep_freed() -> None:
    """Let glibc keep freed memory for the next frame, for live video: see ``trim`` for when there are no more.

    Else it returns the larger arrays of every frame to the system, which has to clear them for the next one.
    """
    _set(_M_MMAP_THRESHOLD, _NOT_MAPPED_BYTES)
    _set(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _set(parameter: int, value: int) -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(parameter, value)


def trim() -> None:
    """Return free memory to the system: objects in reference cycles are collected, and glibc keeps what is freed."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
