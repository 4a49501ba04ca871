"""Fixtures: a time limit for calls that may hang, and checks that no threads are left."""

from __future__ import annotations

import faulthandler
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

LIMIT = 10.0

Within = Callable[..., Any]


def runner_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("streamseg "))


class Outcome:
    """The result or the exception of a function in a thread of its own."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.value: Any = None
        self.error: BaseException | None = None
        self.threads_left: list[str] = []
        self.thread = threading.Thread(target=self._call, args=(function,), daemon=True)

    def _call(self, function: Callable[[], Any]) -> None:
        try:
            self.value = function()
        except BaseException as error:
            self.error = error
        self.threads_left = runner_threads()


@pytest.fixture
def within() -> Within:
    """Call a function with a time limit; afterwards only the threads named in `leaves` may be running."""

    def call(function: Callable[[], Any], leaves: tuple[str, ...] = ()) -> Any:
        outcome = Outcome(function)
        outcome.thread.start()
        outcome.thread.join(LIMIT)
        if outcome.thread.is_alive():
            faulthandler.dump_traceback()
            pytest.fail(f"still running after {LIMIT} s")
        assert outcome.threads_left == [f"streamseg {name}" for name in leaves]
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    return call


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(LIMIT)
        assert not thread.is_alive(), thread.name


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.runtime.runner.GRACE_SECONDS", 0.02)
