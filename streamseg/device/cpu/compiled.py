"""Loads the compiled C kernels."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import Any

from streamseg.errors import DeviceError

__all__ = ["NOT_COMPILED", "compiled_kernels"]

#: The message where there are none.
NOT_COMPILED = (
    "the kernels in C were not compiled when streamseg was installed: install a C compiler, then streamseg again, and "
    "it will be up to four times as fast"
)


class _Kernels(ctypes.CDLL):
    def __getitem__(self, name: Any) -> Any:
        try:
            return super().__getitem__(name)
        except AttributeError as error:
            raise DeviceError(
                f"the compiled kernels are of another version, without {name}: install streamseg again"
            ) from error


@cache
def compiled_kernels() -> ctypes.CDLL | None:
    """The library of all kernels in C; None where they were not compiled, or were compiled for another system.

    A kernel that it lacks raises DeviceError.
    """
    found = find_spec("streamseg.device.cpu._kernels")
    if found is not None and found.origin is not None:
        with suppress(OSError):
            return _Kernels(found.origin)
    return None
