"""A progress bar on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

__all__ = ["with_progress"]

_Item = TypeVar("_Item")


def with_progress(
    items: Iterable[_Item], unit: str, title: str | None = None, total: int | None = None
) -> Iterator[_Item]:
    """``items``, with a progress bar if standard error is a terminal."""
    yield from tqdm(items, title, total, unit=unit, file=sys.stderr, disable=None, leave=False, dynamic_ncols=True)
