"""Stages that hold items back and return them later."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from streamseg.errors import StageError
from streamseg.runtime import Runner, Stage


class Holder:
    """Holds the last ``count`` items back."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.held: list[Any] = []
        self.finished_in: list[str] = []

    def __call__(self, item: Any) -> list[Any]:
        self.held.append(item)
        return [self.held.pop(0)] if len(self.held) > self.count else []

    def finish(self) -> Iterator[Any]:
        self.finished_in.append(threading.current_thread().name)
        while self.held:
            yield self.held.pop(0)

    def stage(self, name: str = "hold") -> Stage[Any, Any]:
        return Stage(name, self, self.finish)


def numbers(count: int) -> Iterator[int]:
    """``count`` numbers, then a failure of the source."""
    yield from range(count)
    raise OSError("unplugged")


@pytest.mark.parametrize("count", [0, 1, 3, 7])
@pytest.mark.parametrize("held", [0, 2, 5])
def test_held_items_come_out_at_the_end_in_order(within: Any, held: int, count: int) -> None:
    sink: list[int] = []
    within(Runner(range(count), [Holder(held).stage(), Stage("sink", sink.append)], queue_size=1).run)
    assert sink == list(range(count))
    assert within(lambda: list(Runner(range(count), [Holder(held).stage()]))) == list(range(count))


def test_holding_stages_in_a_row(within: Any) -> None:
    """Items that the first returns at its end still pass through the second."""
    first, second = Holder(3), Holder(2)
    stages = [first.stage("first"), Stage("double", lambda item: 2 * item), second.stage("second")]
    assert within(lambda: list(Runner(range(20), stages))) == [2 * number for number in range(20)]
    assert (first.finished_in, second.finished_in) == (["streamseg first"], ["streamseg second"])


@pytest.mark.parametrize("count", [0, 1, 4, 20])
def test_after_a_failure_of_the_source_all_earlier_items_come_out(within: Any, count: int) -> None:
    sink: list[int] = []
    stages = [Holder(3).stage(), Holder(2).stage("again"), Stage("sink", sink.append)]
    with pytest.raises(StageError, match="source: unplugged"):
        within(Runner(numbers(count), stages).run)
    assert sink == list(range(count))


def test_after_a_failure_of_an_earlier_stage_all_earlier_items_come_out(within: Any) -> None:
    sink: list[float] = []
    stages = [Stage("divide", lambda item: 12 // (5 - item)), Holder(3).stage(), Stage("sink", sink.append)]
    with pytest.raises(StageError) as raised:
        within(Runner(range(100), stages).run)
    assert raised.value.stage == "divide"
    assert sink == [12 // (5 - item) for item in range(5)]


def test_a_stopped_run_returns_held_items(within: Any) -> None:
    """As many items come out as went in."""
    sink: list[int] = []
    runner: Runner

    def watch(number: int) -> int:
        if number == 5:
            runner.stop()
        return number

    stages = [Stage("watch", watch), Holder(3).stage(), Stage("sink", sink.append)]
    runner = Runner(iter(range(10**6)), stages)
    within(runner.run)
    assert sink == list(range(len(sink)))
    assert len(sink) == runner.statistics.stages[1].items >= 6


def test_an_aborted_run_drops_held_items(within: Any) -> None:
    sink: list[int] = []
    holder = Holder(50)
    runner: Runner

    def watch(number: int) -> int:
        if number == 20:
            runner.abort()
        return number

    runner = Runner(range(1000), [Stage("watch", watch), holder.stage(), Stage("sink", sink.append)])
    within(runner.run)
    assert sink == []
    assert runner.statistics.stopped


def test_the_failure_of_a_later_stage_is_raised(within: Any) -> None:
    def refuse(number: int) -> None:
        raise OSError("disk full")

    stages = [Holder(3).stage(), Stage("sink", refuse)]
    with pytest.raises(StageError, match="sink: disk full"):
        within(Runner(range(100), stages, queue_size=1).run)


def test_bypassed_items_are_neither_held_nor_lost(within: Any) -> None:
    sink: list[Any] = []
    holder = Holder(2)
    source = [0, "a", 1, "b", 2, 3, "c"]
    stages = [holder.stage(), Stage("sink", sink.append)]
    within(Runner(source, stages, bypass=lambda item: isinstance(item, str)).run)
    assert [item for item in sink if isinstance(item, int)] == [0, 1, 2, 3]
    assert [item for item in sink if isinstance(item, str)] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_a_call_returns_any_number_of_results(within: Any, kind: Any) -> None:
    """None, one or many, and more at the end."""

    def repeat(item: int) -> Iterable[int]:
        return kind([item] * item)

    stages = [Stage("repeat", repeat, lambda: kind([9, 9])), Stage("same", lambda item: item)]
    runner = Runner([0, 1, 3, 0, 2], stages)
    assert within(lambda: list(runner)) == [1, 3, 3, 3, 2, 2, 9, 9]
    assert [stage.items for stage in runner.statistics.stages] == [5, 5, 8]


@pytest.mark.parametrize("lazily", [False, True])
def test_the_error_of_a_failing_finish_names_its_stage(within: Any, lazily: bool) -> None:
    def at_once() -> Iterable[int]:
        raise OSError("lost")

    def later() -> Iterator[int]:
        yield 7
        raise OSError("lost")

    sink: list[int] = []
    stages = [Stage("hold", lambda item: [item], later if lazily else at_once), Stage("sink", sink.append)]
    with pytest.raises(StageError, match="hold: lost") as raised:
        within(Runner(range(3), stages).run)
    assert raised.value.stage == "hold"
    assert isinstance(raised.value.__cause__, OSError)
    assert sink[:3] == [0, 1, 2]
