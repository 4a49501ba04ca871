"""A stage of a pipeline: a name and a callable, without a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["Stage", "never"]

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Stage(Generic[In, Out]):
    """One step of a pipeline.

    Attributes:
        name: name of the stage in errors and statistics.
        call: takes one item and returns one; called by one thread at a time, with the items in order.
        finish: only for a stage that holds items back, whose ``call`` returns any number of items, in order: called at
            the end of the stream, returns the items that are left. Also called after a failure in an earlier stage or
            in its own ``call``; all items that are left then precede the one that failed.
    """

    name: str
    call: Callable[[In], Any]
    finish: Callable[[], Iterable[Out]] | None = None


def never(item: object) -> bool:
    """The default for ``bypass``: no item bypasses the stages."""
    return False
