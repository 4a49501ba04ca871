"""Which method is the fastest for each kind of convolution: measured once on a GPU, kept on disk."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Any

from streamseg.device.cache import cache_folder

__all__ = ["MethodChoice", "method_choice"]

# An entry of another version is ignored: the names of methods, or what they mean, may have changed.
_VERSION = 1


class MethodChoice:
    """The method of each kind of convolution, by names that mean nothing here.

    The file is written anew with each choice, in one step. It adds to what other processes have written meanwhile. A
    file that is damaged, or cannot be written, is as none.

    Args:
        path: of the file; None to keep the choices in this process only.

    Attributes:
        seconds: that choosing has taken so far in this process; whoever chooses adds to it.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path, self._methods, self._lock = path, _read(path), Lock()
        self.seconds = 0.0

    def get(self, kind: str) -> str | None:
        """The method of a kind; None if it has not been chosen."""
        return self._methods.get(kind)

    def set(self, kind: str, method: str) -> None:
        """Choose."""
        with self._lock:
            self._methods[kind] = method
            if self._path is not None:
                self._methods = _read(self._path) | self._methods
                _write(self._path, self._methods)


@cache
def method_choice(identity: str) -> MethodChoice:
    """The choices for a GPU, one object for all of this process.

    Args:
        identity: all that the choices depend on: the GPU, its driver, torch and cuDNN.
    """
    folder = cache_folder("convolutions")
    return MethodChoice(folder and folder / f"{re.sub(r'[^A-Za-z0-9.]+', '-', identity)}.json")


def _read(path: Path | None) -> dict[str, str]:
    try:
        stored: Any = {} if path is None else json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(stored, dict) or stored.get("version") != _VERSION or not isinstance(stored.get("methods"), dict):
        return {}
    return {kind: method for kind, method in stored["methods"].items() if isinstance(method, str)}


def _write(path: Path, methods: dict[str, str]) -> None:
    text = json.dumps({"version": _VERSION, "methods": dict(sorted(methods.items()))}, indent=1)
    try:
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".", delete=False) as file:
            file.write(text)
    except OSError:
        return
    try:
        Path(file.name).replace(path)
    except OSError:
        Path(file.name).unlink(missing_ok=True)
