"""A stage: a name and a callable, one item in, one item out, no thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Stage", "never"]

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Stage(Generic[In, Out]):
    """One step of a stream.

    Attributes:
        name: what errors and statistics call the stage.
        call: takes one item and returns one; only ever called by one thread at a time, in the items' order.
    """

    name: str
    call: Callable[[In], Out]


def never(item: object) -> bool:
    """Say of every item that it does not travel past the stages."""
    return False
