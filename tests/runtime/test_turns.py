"""First come, first served."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from streamseg.runtime import Turns


def wait_until(condition, what):
    done = Event()
    for _ in range(2000):
        if condition():
            return
        done.wait(0.005)
    pytest.fail(what)


def test_those_who_wait_are_served_in_the_order_in_which_they_came():
    turns, order = Turns(), []

    def take(name):
        with turns:
            order.append(name)

    threads = [Thread(target=take, args=(name,)) for name in range(6)]
    with turns:
        for place, thread in enumerate(threads, start=1):
            thread.start()
            wait_until(lambda place=place: len(turns._waiting) == place, "the thread does not queue")
    for thread in threads:
        thread.join(timeout=30)
    assert order == list(range(6))


def test_one_who_comes_again_and_again_passes_nobody():
    turns, order = Turns(), []

    def other():
        with turns:
            order.append("other")

    thread = Thread(target=other)
    with turns:
        thread.start()
        wait_until(lambda: turns._waiting, "the other does not queue")
    with turns:
        order.append("again")
    thread.join(timeout=30)
    assert order == ["other", "again"]


def test_a_failure_inside_hands_it_over_too():
    turns = Turns()
    with pytest.raises(ValueError, match="inside"), turns:
        raise ValueError("inside")
    with turns:
        pass
