"""Loads the compiled C kernels."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache
from importlib.util import find_spec

__all__ = ["NOT_COMPILED", "compiled_kernels"]

#: The message where there are none.
NOT_COMPILED = (
    "the kernels in C were not compiled when streamseg was installed: install a C compiler, then streamseg again, and "
    "it will be up to four times as fast"
)


@cache
def compiled_kernels() -> ctypes.CDLL | None:
    """The library of all kernels in C; None where they were not compiled, or were compiled for another system."""
    found = find_spec("streamseg.device.cpu._kernels")
    if found is not None and found.origin is not None:
        with suppress(OSError):
            return ctypes.CDLL(found.origin)
    return None
