"""Stopping and aborting a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from streamseg.errors import StageError
from streamseg.runtime import Runner, Stage


def same(item: Any) -> Any:
    return item


class Stopper:
    """A sink that calls a method of its runner at its fifth item."""

    def __init__(self, method: str, source: Any = None) -> None:
        self.got: list[int] = []
        self.runner = Runner(count() if source is None else source, [Stage("one", same), Stage("sink", self)])
        self.method = getattr(self.runner, method)

    def __call__(self, item: int) -> None:
        self.got.append(item)
        if len(self.got) == 5:
            self.method()
            self.method()


class Silent:
    """A source that blocks in a read after some items."""

    def __init__(self, items: int) -> None:
        self.items = items
        self.blocked, self.release = threading.Event(), threading.Event()
        self.closed_in = ""

    def __iter__(self) -> Iterator[int]:
        try:
            yield from range(self.items)
            self.blocked.set()
            assert self.release.wait(10)
            yield -1
        finally:
            self.closed_in = threading.current_thread().name


def test_stop_drains_the_items_in_flight(within: Any) -> None:
    stopper = Stopper("stop")
    statistics = within(stopper.runner.run)
    assert statistics.stopped
    assert 5 <= len(stopper.got) <= 5 + 2 + 2 + 1
    assert stopper.got == list(range(len(stopper.got)))


def test_abort_drops_the_items_in_flight(within: Any) -> None:
    stopper = Stopper("abort")
    assert within(stopper.runner.run).stopped
    assert stopper.got == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("method", ["stop", "abort"])
def test_stopping_closes_the_source_in_its_thread(within: Any, method: str) -> None:
    silent = Silent(1000)
    statistics = within(Stopper(method, silent).runner.run)
    assert (silent.closed_in, statistics.abandoned_source) == ("streamseg source", False)


@pytest.mark.parametrize("method", ["stop", "abort"])
def test_stopping_before_the_start_reads_nothing(within: Any, method: str) -> None:
    source = count()
    stopper = Stopper(method, source)
    stopper.method()
    assert within(stopper.runner.run).stopped
    assert (stopper.got, next(source)) == ([], 0)


@pytest.mark.parametrize("method", ["stop", "abort"])
def test_stopping_before_a_stream(within: Any, method: str) -> None:
    runner = Runner(count(), [Stage("one", same)])
    getattr(runner, method)()
    assert within(lambda: list(runner)) == []


@pytest.mark.parametrize("method", ["stop", "abort"])
def test_stopping_after_the_end_changes_nothing(within: Any, method: str) -> None:
    stopper = Stopper(method, [1, 2])
    statistics = within(stopper.runner.run)
    within(stopper.method)
    within(stopper.method)
    assert (stopper.got, statistics.stopped) == ([1, 2], False)


@pytest.mark.parametrize(("method", "drained"), [("stop", [0, 1, 2, 3, 4, 5]), ("abort", [0])])
def test_stopping_from_another_thread_while_all_queues_are_full(within: Any, method: str, drained: list[int]) -> None:
    got: list[int] = []
    full, go = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        for number in count():
            if number == 2 + 2 + 2:  # both queues are full and both stages busy: this item has to wait
                full.set()
            yield number

    def sink(item: int) -> None:
        got.append(item)
        assert go.wait(5)

    runner = Runner(source(), [Stage("one", same), Stage("sink", sink)])

    def control() -> None:
        assert full.wait(5)
        getattr(runner, method)()
        go.set()

    controller = threading.Thread(target=control)
    controller.start()
    assert within(runner.run).stopped
    controller.join()
    assert got == drained


@pytest.mark.parametrize("method", ["stop", "abort"])
def test_a_silent_source_is_abandoned(within: Any, short_grace: None, method: str) -> None:
    silent, got = Silent(3), []
    done = threading.Event()

    def sink(item: int) -> None:
        got.append(item)
        if item == 2:
            done.set()

    runner = Runner(silent, [Stage("one", same), Stage("sink", sink)])

    def control() -> None:
        assert silent.blocked.wait(5)
        assert done.wait(5)
        getattr(runner, method)()

    controller = threading.Thread(target=control)
    controller.start()
    statistics = within(runner.run, leaves=("source",))
    assert (statistics.stopped, statistics.abandoned_source, got) == (True, True, [0, 1, 2])
    controller.join()
    silent.release.set()


def test_failure_of_a_stopped_source_is_not_raised(within: Any) -> None:
    silent = Silent(1)

    def source() -> Iterator[int]:
        yield from silent
        raise OSError("unplugged")

    def sink(item: int) -> None:
        assert silent.blocked.wait(5)
        runner.stop()
        silent.release.set()

    runner = Runner(source(), [Stage("sink", sink)])
    assert within(runner.run).stopped


def test_failure_while_draining_is_raised(within: Any) -> None:
    def sink(item: int) -> None:
        runner.stop()
        raise OSError("disk full")

    runner = Runner(count(), [Stage("one", same), Stage("sink", sink)])
    with pytest.raises(StageError, match="disk full"):
        within(runner.run)
    assert runner.statistics.stopped


def test_stop_ends_a_stream_after_the_items_in_flight(within: Any) -> None:
    runner = Runner(count(), [Stage("one", same)])

    def consume() -> list[int]:
        got = []
        for item in runner:
            got.append(item)
            runner.stop()
        return got

    got = within(consume)
    assert got == list(range(len(got)))
    assert 1 <= len(got) <= 1 + 2 + 2 + 1


@pytest.mark.parametrize("stages", [[], [Stage("one", same)], [Stage("one", same), Stage("two", same)]])
def test_leaving_a_stream_early_stops_everything(within: Any, stages: list[Stage[Any, Any]]) -> None:
    silent = Silent(1000)
    runner = Runner(silent, stages)

    def consume() -> None:
        for item in runner:
            if item == 5:
                break

    within(consume)
    assert silent.closed_in == "streamseg source"
    assert runner.statistics.stopped


def test_error_in_the_consumer_stops_everything(within: Any) -> None:
    def consume() -> None:
        for _ in Runner(count(), [Stage("one", same)]):
            raise LookupError("consumer")

    with pytest.raises(LookupError):
        within(consume)


def test_leaving_a_stream_with_a_silent_source(within: Any, short_grace: None) -> None:
    silent = Silent(1)
    runner = Runner(silent, [Stage("one", same)])

    def consume() -> None:
        for _ in runner:
            break

    within(consume, leaves=("source",))
    assert runner.statistics.abandoned_source
    silent.release.set()


def test_stream_closed_before_its_start_has_no_threads(within: Any) -> None:
    stream: Any = Runner(count(), []).stream()
    within(stream.close)
