"""What happens to objects with threads in a forked child, where those threads do not exist."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Protocol
from weakref import WeakSet

__all__ = ["SameProcess", "Threaded", "forget_in_children", "never_destroy"]


class Threaded(Protocol):
    """An object with threads, or with locks that other threads may hold."""

    def forget_threads(self) -> None:
        """Drop what belongs to threads of the parent process. Called in a forked child, before anything else runs."""
        ...


_OBJECTS: WeakSet[Threaded] = WeakSet()


def forget_in_children(threaded: Threaded) -> None:
    """Call ``threaded.forget_threads()`` in every child that is forked from now on, while ``threaded`` exists."""
    _OBJECTS.add(threaded)


def _after_fork() -> None:
    for each in list(_OBJECTS):
        each.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def never_destroy(item: Any) -> None:
    """Keep ``item`` to the end of the process, and at the end too: its destructor would wait for threads that a fork
    has left in the parent, or end the process because they are not there."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))


class SameProcess:
    """Refuses the use of an object in a forked child, where it would wait for ever.

    Args:
        what: the object, as an error names it.
        error: class of the error.
    """

    def __init__(self, what: str, error: type[Exception]) -> None:
        self._what, self._error, self._process = what, error, os.getpid()

    def check(self) -> None:
        """Raises the error in another process than the one that made this object."""
        if os.getpid() != self._process:
            raise self._error(
                f"{self._what} was made before this process was forked, and its threads are in the parent: make it in "
                'the child, or start children by "spawn"'
            )
