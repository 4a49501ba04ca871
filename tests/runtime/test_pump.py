"""Pump: a source in a thread of its own, and its end."""

from __future__ import annotations

from threading import current_thread

from streamseg.runtime import Pump


def run(source):
    items, ends = [], []
    pump = Pump(source, items.append, ends.append, "test")
    assert pump.join(timeout=30)
    return items, ends


def test_items_arrive_in_order_followed_by_the_end():
    assert run([1, 2, 3]) == ([1, 2, 3], [None])


def test_a_failure_of_the_source_follows_its_items():
    failure = RuntimeError("unplugged")

    def source():
        yield 1
        raise failure

    assert run(source()) == ([1], [failure])


def test_a_failure_of_put_ends_it_too():
    ends = []

    def put(item):
        raise ValueError(f"no room for {item}")

    assert Pump([1, 2], put, ends.append, "test").join(timeout=30)
    assert [str(end) for end in ends] == ["no room for 1"]


def test_it_runs_in_a_daemon_thread_with_its_name():
    def source():
        yield current_thread()

    items, _ = run(source())
    assert items[0].daemon
    assert items[0].name == "streamseg test"
