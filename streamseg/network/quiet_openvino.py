"""The one place that imports OpenVINO, so that importing it reports nothing to anybody."""

from __future__ import annotations

import importlib
import sys
from threading import Lock
from types import ModuleType

__all__ = ["import_openvino"]

_TELEMETRY = "openvino_telemetry"
_IMPORTING = Lock()


def import_openvino() -> ModuleType:
    """``openvino``, imported without its telemetry.

    ``import openvino`` otherwise sends an event to a web analytics service on every import unless the user
    has opted out, starting a process and waiting for it up to three seconds, and leaves a client id in the
    home folder. Hiding its telemetry package makes OpenVINO use the stub it ships for installations without
    it. Where something else in the process has imported OpenVINO before, it is returned as it is.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    with _IMPORTING:
        return sys.modules["openvino"] if "openvino" in sys.modules else _import_quietly()


def _import_quietly() -> ModuleType:
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_telemetry(name)}
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # documented: makes its import fail
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[_TELEMETRY]
        sys.modules.update(hidden)


def _is_telemetry(name: str) -> bool:
    return name == _TELEMETRY or name.startswith(f"{_TELEMETRY}.")
