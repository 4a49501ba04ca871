"""Runner: order, threads, bypass and ticks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from streamseg.runtime import Runner, Stage, Statistics, never

NUMBERS = list(range(50))


def double(item: int) -> int:
    return 2 * item


def shout(item: str) -> str:
    return item.upper()


class Collect(list[Any]):
    """A sink that stores its items."""

    def stage(self) -> Stage[Any, None]:
        return Stage("sink", self.append)


def is_packet(item: object) -> bool:
    return isinstance(item, str)


@pytest.mark.parametrize("queue_size", [1, 2, 7])
def test_run_passes_every_item_through_every_stage_in_order(within: Any, queue_size: int) -> None:
    sink = Collect()
    stages = [Stage("double", double), Stage("again", double), sink.stage()]
    statistics = within(Runner(NUMBERS, stages, queue_size=queue_size).run)
    assert sink == [4 * number for number in NUMBERS]
    assert (statistics.items, statistics.stopped, statistics.abandoned_source) == (50, False, False)


def test_stream_yields_what_the_last_stage_returns(within: Any) -> None:
    runner = Runner(iter(NUMBERS), [Stage("double", double)])
    assert within(lambda: list(runner.stream())) == [2 * number for number in NUMBERS]


def test_runner_is_iterable(within: Any) -> None:
    assert within(lambda: list(Runner("abc", [Stage("shout", shout)]))) == ["A", "B", "C"]


def test_stream_without_stages_yields_the_source(within: Any) -> None:
    assert within(lambda: list(Runner(NUMBERS, []))) == NUMBERS


def test_none_is_an_item(within: Any) -> None:
    assert within(lambda: list(Runner([None, None], [Stage("same", lambda item: item)]))) == [None, None]


@pytest.mark.parametrize("stages", [[], [Stage("double", double)]])
def test_empty_source_streams_nothing(within: Any, stages: list[Stage[Any, Any]]) -> None:
    assert within(lambda: list(Runner([], stages))) == []


def test_empty_source_runs(within: Any) -> None:
    sink = Collect()
    assert within(Runner([], [Stage("double", double), sink.stage()]).run).items == 0
    assert sink == []


def test_run_needs_a_sink() -> None:
    with pytest.raises(ValueError, match="sink"):
        Runner([], []).run()


def test_queue_size_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        Runner([], [], queue_size=0)


def test_a_runner_runs_once(within: Any) -> None:
    runner = Runner(NUMBERS, [Collect().stage()])
    within(runner.run)
    for again in (runner.run, runner.stream, lambda: iter(runner)):
        with pytest.raises(RuntimeError, match="once"):
            again()


def test_each_stage_has_a_thread_of_its_own(within: Any) -> None:
    seen: list[str] = []

    def note(item: Any) -> Any:
        seen.append(threading.current_thread().name)
        return item

    def source() -> Iterator[int]:
        note(None)
        yield 1

    stages = [Stage("one", note), Stage("two", note), Stage("sink", note)]
    within(Runner(source(), stages, source_name="reader").run)
    assert seen == ["streamseg reader", "streamseg one", "streamseg two", "streamseg sink"]


def test_stages_work_at_the_same_time(within: Any) -> None:
    in_one, in_two = threading.Event(), threading.Event()

    def one(item: int) -> int:
        if item == 1:
            in_one.set()
            assert in_two.wait(5)
        return item

    def two(item: int) -> None:
        if item == 0:
            in_two.set()
            assert in_one.wait(5)

    within(Runner([0, 1], [Stage("one", one), Stage("two", two)]).run)


def test_the_lead_of_the_source_over_the_sink_is_bounded(within: Any) -> None:
    bound = 2 * 2 + 2 + 1  # two queues of two, two stages, and one item waiting for the first queue
    produced, ahead, full = 0, [], threading.Event()

    def source() -> Iterator[int]:
        nonlocal produced
        for number in NUMBERS:
            produced += 1
            if produced == bound:
                full.set()
            yield number

    def sink(number: int) -> None:
        assert full.wait(5)
        ahead.append(produced - number)

    within(Runner(source(), [Stage("double", lambda item: item), Stage("sink", sink)]).run)
    assert len(ahead) == len(NUMBERS)
    assert max(ahead) == bound


def test_bypassed_items_stay_in_order_and_skip_all_stages_but_the_sink(within: Any) -> None:
    items = [0, "a", 1, 2, "b", "c", 3, "d"]
    sink = Collect()
    runner = Runner(items, [Stage("double", double), Stage("again", double), sink.stage()], bypass=is_packet)
    statistics = within(runner.run)
    assert sink == [0, "a", 4, 8, "b", "c", 12, "d"]
    assert [stage.items for stage in statistics.stages] == [4, 4, 4, 4]


@pytest.mark.parametrize("stages", [[], [Stage("double", lambda item: item)]])
def test_bypassed_items_are_yielded_by_stream(within: Any, stages: list[Stage[Any, Any]]) -> None:
    items = ["a", 0, 1, "b"]
    assert within(lambda: list(Runner(items, stages, bypass=is_packet))) == items


def test_never_bypasses_nothing() -> None:
    assert not never("item")


def test_on_tick_is_called_in_the_callers_thread_with_live_statistics(within: Any) -> None:
    ticks: list[tuple[int, str]] = []
    seen = threading.Event()

    def on_tick(statistics: Statistics) -> None:
        ticks.append((statistics.stages[0].items, threading.current_thread().name))
        if statistics.stages[0].items == 1:
            seen.set()

    def run() -> str:
        Runner([1], [Stage("sink", lambda _: seen.wait(5))]).run(on_tick, tick=0.01)
        return threading.current_thread().name

    caller = within(run)
    assert seen.is_set()
    assert {name for _, name in ticks} == {caller}


def test_a_failing_on_tick_aborts_the_run_and_is_raised(within: Any) -> None:
    def on_tick(statistics: Statistics) -> None:
        raise LookupError("no terminal")

    runner = Runner(iter(int, 1), [Collect().stage()])
    with pytest.raises(LookupError):
        within(lambda: runner.run(on_tick, tick=0.01))
    assert runner.statistics.stopped


def test_nothing_is_read_before_the_start() -> None:
    def source() -> Iterator[int]:
        raise AssertionError("read")
        yield

    generator = source()
    Runner(generator, []).stream()
    generator.close()
