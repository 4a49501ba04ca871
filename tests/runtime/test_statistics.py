"""Statistics of a run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from streamseg.runtime import QueueStatistics, Runner, Stage, StageStatistics, Statistics

PAUSE = 0.004


def pause(item: Any) -> Any:
    time.sleep(PAUSE)
    return item


def same(item: Any) -> Any:
    return item


@pytest.fixture
def statistics() -> Statistics:
    stages = [StageStatistics("source", 4, 0.5, 0, 1.25), StageStatistics("sink", 4, 2, 0.125, 0)]
    return Statistics(stages, [QueueStatistics(2, 2, 4, 6)], started=10.0, ended=12.0)


def test_means_are_zero_before_the_first_item() -> None:
    assert StageStatistics("one").mean_ms == 0
    assert QueueStatistics(2).mean_depth == 0
    assert Runner([], []).statistics.items_per_second == 0


def test_means(statistics: Statistics) -> None:
    assert statistics.stages[1].mean_ms == 500
    assert statistics.queues[0].mean_depth == 1.5
    assert (statistics.items, statistics.wall_seconds, statistics.items_per_second) == (4, 2, 2)


def test_wall_time_increases_during_the_run(statistics: Statistics) -> None:
    statistics.started, statistics.ended = time.perf_counter(), None
    before = statistics.wall_seconds
    assert statistics.wall_seconds > before >= 0


def test_table(statistics: Statistics) -> None:
    assert statistics.table().splitlines() == [
        "stage   items  ms/item  busy s  wait in s  wait out s  queue after: mean, peak",
        "source      4   125.00    0.50       0.00        1.25              1.5, 2 of 2",
        "sink        4   500.00    2.00       0.12        0.00",
        "4 items in 2.00 s, 2.0 per second",
    ]


def test_table_shows_that_the_run_was_stopped(statistics: Statistics) -> None:
    statistics.stopped = True
    assert statistics.table().endswith(", stopped")


def test_dictionary_is_json(statistics: Statistics) -> None:
    figures = json.loads(json.dumps(statistics.as_dict()))
    assert figures["stages"][0]["name"] == "source"
    assert figures["stages"][1]["mean_ms"] == 500
    assert figures["queues"] == [{"capacity": 2, "peak": 2, "mean_depth": 1.5}]
    assert (figures["stopped"], figures["abandoned_source"], figures["items"]) == (False, False, 4)


def test_a_slow_stage_is_busy_and_the_others_wait_for_it(within: Any) -> None:
    runner = Runner(range(10), [Stage("fast", same), Stage("slow", pause), Stage("sink", same)])
    source, fast, slow, sink = within(runner.run).stages
    assert slow.busy_seconds >= 10 * PAUSE
    assert slow.mean_ms >= 1000 * PAUSE
    assert source.waiting_out_seconds > PAUSE
    assert fast.waiting_out_seconds > PAUSE
    assert sink.waiting_in_seconds > PAUSE
    assert fast.busy_seconds < slow.busy_seconds


def test_slow_source_is_busy(within: Any) -> None:
    def source() -> Iterator[int]:
        for number in range(5):
            yield pause(number)

    runner = Runner(source(), [Stage("sink", same)])
    first, sink = within(runner.run).stages
    assert first.busy_seconds >= 5 * PAUSE
    assert sink.waiting_in_seconds > PAUSE
    assert runner.statistics.wall_seconds >= 5 * PAUSE


def test_queue_before_a_slow_stage_is_full(within: Any) -> None:
    stages = [Stage("slow", pause), Stage("sink", same)]
    before, after = within(Runner(range(20), stages, queue_size=3).run).queues
    assert (before.capacity, before.peak) == (3, 3)
    assert before.mean_depth > 1.5
    assert before.mean_depth > after.mean_depth


def test_a_run_has_one_queue_less_than_a_stream(within: Any) -> None:
    run, stream = (Runner([1], [Stage("one", same), Stage("two", same)]) for _ in range(2))
    within(run.run)
    within(lambda: list(stream))
    assert (len(run.statistics.queues), len(stream.statistics.queues)) == (2, 3)
    assert stream.statistics.table().count(" of 2") == 3


def test_bypassed_items_are_neither_counted_nor_timed(within: Any) -> None:
    items = ["packet"] * 5 + [1]
    sink = Stage("sink", lambda item: pause(item) if item == "packet" else item)
    statistics = within(Runner(items, [sink], bypass=lambda item: item == "packet").run)
    assert [stage.items for stage in statistics.stages] == [1, 1]
    assert statistics.stages[1].busy_seconds < 5 * PAUSE
