"""Imports OpenVINO, for all other modules: without its telemetry, and without the parts that are not used."""

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
_IMPORT_LOCK = Lock()
_CONVERTER = "openvino.tools.ovc"


def import_openvino() -> ModuleType:
    """``openvino``, imported without telemetry; its model converter is imported when it is first called.

    Unless the user has opted out, a plain ``import openvino`` sends an event to a web analytics service, for which it
    starts a process and waits up to three seconds, and writes a client id into the home folder. While its telemetry
    package cannot be imported, OpenVINO uses the stub that it ships for installations without it. The converter and its
    dependencies take half of the import's time and 8 MB. If OpenVINO was imported elsewhere in the process before, that
    module is returned unchanged.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    with _IMPORT_LOCK:
        return sys.modules["openvino"] if "openvino" in sys.modules else _import_quietly()


def _import_quietly() -> ModuleType:
    with _not_importable(_TELEMETRY), _not_importable(_CONVERTER):
        openvino = importlib.import_module("openvino")
    if not hasattr(openvino, "convert_model"):
        openvino.convert_model = _convert_model  # type: ignore[attr-defined]
    return openvino


def _convert_model(*arguments: Any, **options: Any) -> Any:
    with _not_importable(_TELEMETRY):
        converter = importlib.import_module(_CONVERTER)
    return converter.convert_model(*arguments, **options)


@contextmanager
def _not_importable(package: str) -> Iterator[None]:
    """Make imports of a package fail; what is loaded of it is restored at the end."""
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if _belongs(name, package)}
    sys.modules[package] = None  # type: ignore[assignment]  # makes its import fail, as documented
    try:
        yield
    finally:
        del sys.modules[package]
        sys.modules.update(loaded)


def _belongs(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
