"""Names of the release before this one, kept for one release: each use warns with what to write instead."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from streamseg.network.architecture import Variant

__all__ = ["old_detail", "old_variants", "renamed", "with_old_keys"]

_OLD_VARIANTS = {"fine": "full", "coarse": "lite", "both": "both"}


def renamed(module: str, new_names: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module: its old names lead to "package.module:Name"."""

    def attribute(name: str) -> Any:
        if name not in new_names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, new = new_names[name].partition(":")
        _warn(f"{module}.{name} is now {home}.{new}", level=3)
        return getattr(import_module(home), new)

    return attribute


def old_variants(variants: str, forms: str | None) -> str:
    """``variants`` of the network, or what the old argument ``forms`` ("fine", "coarse", "both") means."""
    if forms is None:
        return variants
    _warn(f'forms="{forms}" is now variants="{_OLD_VARIANTS.get(forms, forms)}"', level=4)
    return _OLD_VARIANTS.get(forms, forms)


def old_detail(variant: Variant, detail: bool | None) -> Variant:
    """``variant`` of the network, or what the old argument ``detail`` means."""
    if detail is None:
        return variant
    new: Variant = "full" if detail else "lite"
    _warn(f'detail={detail} is now variant="{new}"', level=4)
    return new


def with_old_keys(figures: dict[str, Any], new_keys: Mapping[str, str]) -> dict[str, Any]:
    """``figures`` for JSON, each value under its new key and also under the old one.

    Args:
        new_keys: old key → new key; keys that are missing are left out.
    """
    return {**figures, **{old: figures[new] for old, new in new_keys.items() if new in figures}}


def _warn(sentence: str, level: int) -> None:
    warnings.warn(f"{sentence}; the old name goes with the next release", DeprecationWarning, stacklevel=level)
