"""Gradio, imported in half of its time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

__all__ = ["import_gradio"]

_WRITES_STUBS = "gradio.component_meta"


def import_gradio() -> Any:
    """Gradio, without the stubs for editors that it writes into its own folder whenever it is imported.

    Raises:
        ImportError: it is not installed or cannot be loaded.
    """
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        import gradio
    finally:
        sys.meta_path.remove(finder)
    return gradio


class _Finder:
    """Finds the module that writes stubs, and takes the function away that does it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == _WRITES_STUBS else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def without_stubs(module: Any) -> None:
            execute(module)
            module.create_or_modify_pyi = lambda *_: None

        spec.loader.exec_module = without_stubs  # type: ignore[method-assign]
        return spec
