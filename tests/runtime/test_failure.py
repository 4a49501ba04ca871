"""Failures of the source, of stages and of the sink."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamseg.errors import InputError, StageError
from streamseg.runtime import BoundedQueue, Runner, Stage

NAMES = ["source", "one", "two", "sink"]


class FailingPipeline:
    """Numbers through two stages into a list; each stage can fail at one number."""

    def __init__(self, **failing: int) -> None:
        self.failing = failing
        self.closed_in = ""
        self.sink: list[int] = []
        self.errors = {name: OSError(f"{name} broke") for name in NAMES}

    def check(self, name: str, number: int) -> int:
        if self.failing.get(name) == number:
            raise self.errors[name]
        return number

    def source(self) -> Iterator[int]:
        try:
            for number in range(1000):
                yield self.check("source", number)
        finally:
            self.closed_in = threading.current_thread().name

    def stages(self) -> list[Stage[int, Any]]:
        return [Stage("one", self.call("one")), Stage("two", self.call("two")), Stage("sink", self.write)]

    def call(self, name: str) -> Callable[[int], int]:
        return lambda number: self.check(name, number)

    def write(self, number: int) -> None:
        self.sink.append(self.check("sink", number))

    def runner(self) -> Runner:
        return Runner(self.source(), self.stages())


@pytest.mark.parametrize("at", [0, 1, 100])
@pytest.mark.parametrize("name", NAMES)
def test_everything_before_the_failing_item_reaches_the_sink(within: Any, name: str, at: int) -> None:
    pipeline = FailingPipeline(**{name: at})
    runner = pipeline.runner()
    with pytest.raises(StageError, match=f"{name}: {name} broke") as raised:
        within(runner.run)
    assert raised.value.stage == name
    assert raised.value.__cause__ is pipeline.errors[name]
    assert pipeline.sink == list(range(at))
    assert not runner.statistics.stopped


@pytest.mark.parametrize("name", NAMES)
def test_source_generator_is_closed_in_its_own_thread(within: Any, name: str) -> None:
    pipeline = FailingPipeline(**{name: 20})
    with pytest.raises(StageError):
        within(pipeline.runner().run)
    assert pipeline.closed_in == "streamseg source"


@pytest.mark.parametrize("name", NAMES[:3])
def test_stream_yields_what_came_before_the_failure(within: Any, name: str) -> None:
    pipeline, got = FailingPipeline(**{name: 20}), []

    def consume() -> None:
        for number in Runner(pipeline.source(), pipeline.stages()[:2]):
            got.append(number)

    with pytest.raises(StageError) as raised:
        within(consume)
    assert (raised.value.stage, got) == (name, list(range(20)))


def test_stream_without_stages_raises_the_failure_of_the_source(within: Any) -> None:
    with pytest.raises(StageError, match="camera: source broke"):
        within(lambda: list(Runner(FailingPipeline(source=3).source(), [], source_name="camera")))


def test_source_that_cannot_be_iterated(within: Any) -> None:
    class Broken:
        def __iter__(self) -> Iterator[int]:
            raise OSError("no such camera")

    with pytest.raises(StageError, match="no such camera"):
        within(Runner(Broken(), FailingPipeline().stages()).run)


def test_failing_bypass_is_a_failure_of_the_source(within: Any) -> None:
    def bypass(item: object) -> bool:
        raise TypeError("what is this")

    pipeline = FailingPipeline()
    with pytest.raises(StageError, match="source: what is this"):
        within(Runner(pipeline.source(), pipeline.stages(), bypass=bypass).run)
    assert pipeline.closed_in == "streamseg source"


def test_errors_of_streamseg_are_wrapped_too(within: Any) -> None:
    def refuse(item: int) -> None:
        raise InputError("not a frame")

    with pytest.raises(StageError) as raised:
        within(Runner([1], [Stage("sink", refuse)]).run)
    assert isinstance(raised.value.__cause__, InputError)


@pytest.mark.parametrize("stop", [StopIteration, GeneratorExit, SystemExit, KeyboardInterrupt])
def test_nothing_raised_in_a_stage_can_hang_the_run(within: Any, stop: type[BaseException]) -> None:
    def leave(item: int) -> None:
        raise stop

    expected = StageError if issubclass(stop, Exception) else stop
    with pytest.raises(expected):
        within(Runner(iter(int, 1), [Stage("one", leave), Stage("sink", leave)]).run)


def test_cancelled_from_a_queue_of_the_stages_own_is_a_failure(within: Any) -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.end()
    with pytest.raises(StageError, match="sink"):
        within(Runner(iter(int, 1), [Stage("sink", queue.put)]).run)


@pytest.mark.parametrize(("first", "second"), [("two", "one"), ("one", "two")])
def test_of_two_concurrent_failures_the_one_at_the_earlier_item_is_raised(within: Any, first: str, second: str) -> None:
    """Both stages are in their failing calls at the same time; the stage `first` raises first."""
    raising = {"one": threading.Event(), "two": threading.Event()}

    def fail(name: str, number: int) -> Callable[[int], int]:
        def call(item: int) -> int:
            if item == number:
                if name == second:
                    assert raising[first].wait(5)
                raising[name].set()
                raise OSError(name)
            return item

        return call

    sink: list[int] = []
    stages = [Stage("one", fail("one", 5)), Stage("two", fail("two", 4)), Stage("sink", sink.append)]
    with pytest.raises(StageError) as raised:
        within(Runner(range(100), stages).run)
    assert raised.value.stage == "two"
    assert sink == [0, 1, 2, 3]


def test_failure_does_not_wait_for_a_silent_source(within: Any, short_grace: None) -> None:
    release, failed = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        yield 1
        assert release.wait(5)

    def fail(item: int) -> None:
        failed.set()
        raise OSError("disk full")

    stages = [Stage("one", lambda item: item), Stage("two", lambda item: item), Stage("sink", fail)]
    runner = Runner(source(), stages)
    with pytest.raises(StageError, match="disk full"):
        within(runner.run, leaves=("source",))
    assert runner.statistics.abandoned_source
    release.set()


def test_bypassed_items_before_a_failure_reach_the_sink(within: Any) -> None:
    sink: list[Any] = []
    stages = [Stage("one", lambda item: 1 // item), Stage("sink", sink.append)]
    with pytest.raises(StageError, match="one"):
        within(Runner(["a", 1, "b", 0, "c"], stages, bypass=lambda item: isinstance(item, str)).run)
    assert sink == ["a", 1, "b"]
