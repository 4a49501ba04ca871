"""A stage: a name and a callable, one item in, one item out (or some, later), no thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["Stage", "never"]

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Stage(Generic[In, Out]):
    """One step of a stream.

    Attributes:
        name: what errors and statistics call the stage.
        call: takes one item and returns one; only ever called by one thread at a time, in the items' order.
        finish: of a stage that holds items back: gives what it still holds at the end of the stream, also of one that
            a failure further up or of its own ``call`` has ended; then only what came before the item that failed.
            Such a stage's ``call`` returns any number of items, in order.
    """

    name: str
    call: Callable[[In], Any]
    finish: Callable[[], Iterable[Out]] | None = None


def never(item: object) -> bool:
    """Say of every item that it does not travel past the stages."""
    return False
