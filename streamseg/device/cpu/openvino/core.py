"""OpenVINO's entry point, one for the process."""

from __future__ import annotations

from typing import Any

from streamseg.network.quiet_openvino import import_openvino
from streamseg.runtime import forget_in_children, never_destroy

__all__ = ["shared_core"]


def shared_core() -> Any:
    """The ``openvino.Core`` of this process, which is kept to its end; a forked child has one of its own.

    At its first use the CPU plugin gives the thread that it is in a stack for signals, and takes it away when the last
    Core and network are destroyed, in whatever thread that is: the memory alone, where it is another thread
    (``SigAltStackSetup`` in OpenVINO 2025.4 to 2026.4). The next signal that Python handles in the first thread, such
    as Ctrl-C, would end the process.
    """
    return _CORE.get()


class _SharedCore:
    def __init__(self) -> None:
        self._core: Any = None
        forget_in_children(self)

    def get(self) -> Any:
        if self._core is None:
            core = import_openvino().Core()
            never_destroy(core)
            self._core = self._core or core
        return self._core

    def forget_threads(self) -> None:
        self._core = None


_CORE = _SharedCore()
