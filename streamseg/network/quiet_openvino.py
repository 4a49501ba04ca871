"""The one place that imports OpenVINO, so that an import reports nothing to anybody and loads only what is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from types import ModuleType
from typing import Any

__all__ = ["import_openvino"]

_TELEMETRY = "openvino_telemetry"
_IMPORTING = Lock()
_CONVERTER = "openvino.tools.ovc"


def import_openvino() -> ModuleType:
    """``openvino``, imported without its telemetry, and without its converter of models until somebody calls that.

    ``import openvino`` otherwise sends an event to a web analytics service on every import unless the user
    has opted out, starting a process and waiting for it up to three seconds, and leaves a client id in the
    home folder. Hiding its telemetry package makes OpenVINO use the stub it ships for installations without
    it. The converter and what it loads are half of the time of an import and 8 MB. Where something else in the process
    has imported OpenVINO before, it is returned as it is.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    with _IMPORTING:
        return sys.modules["openvino"] if "openvino" in sys.modules else _import_quietly()


def _import_quietly() -> ModuleType:
    with _hidden(_TELEMETRY), _hidden(_CONVERTER):
        openvino = importlib.import_module("openvino")
    if not hasattr(openvino, "convert_model"):
        openvino.convert_model = _convert_model  # type: ignore[attr-defined]
    return openvino


def _convert_model(*arguments: Any, **options: Any) -> Any:
    with _hidden(_TELEMETRY):
        converter = importlib.import_module(_CONVERTER)
    return converter.convert_model(*arguments, **options)


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Lets imports of a package fail."""
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _belongs(name, package)}
    sys.modules[package] = None  # type: ignore[assignment]  # documented: makes its import fail
    try:
        yield
    finally:
        del sys.modules[package]
        sys.modules.update(hidden)


def _belongs(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
