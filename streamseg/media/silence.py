"""Libraries that warn of what is none of a user's business, silenced without disturbing other threads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

__all__ = ["without_warnings"]

_LOCK = RLock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignore all warnings meanwhile, one thread at a time.

    ``warnings.catch_warnings`` changes the filters of the whole process: of two threads that overlap in it, the last
    one out leaves those of the first behind, for good.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
