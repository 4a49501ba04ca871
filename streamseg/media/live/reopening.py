"""Cameras, microphones and addresses that are opened again when they were lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event
from typing import TypeVar

from av.container import InputContainer

from streamseg.errors import InputError

__all__ = ["OPEN_TIMEOUT_S", "READ_TIMEOUT_S", "reopened"]

#: How long an address may take to open, and to give more.
OPEN_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 5.0
_RETRY_S = 1.0
_Item = TypeVar("_Item")


def reopened(
    name: str,
    open_source: Callable[[], InputContainer],
    play: Callable[[InputContainer], Iterator[_Item]],
    closed: Event,
    report: Callable[[str], None],
) -> Iterator[_Item]:
    """What a source gives; when it is lost, it is opened again as soon as that is possible.

    Args:
        name: of the source, for reports.
        open_source: opens it, or raises InputError.
        play: what an open source gives until it is lost.
        closed: ends the iteration between two attempts; ``play`` heeds it itself.
        report: called with one sentence when it is back.

    Raises:
        InputError: (while iterating) it cannot be opened at first.
    """
    with open_source() as container:
        yield from play(container)
    while not closed.wait(_RETRY_S):
        try:
            container = open_source()
        except InputError:
            continue
        report(f"{name}: is back")
        with container:
            yield from play(container)
