"""Places: a limit, a fair line, and nobody who waits for somebody gone."""

from __future__ import annotations

import pytest
from streamseg.demos.places import PATIENCE_S, Places


class Clock:
    time = 0.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


def test_the_next_one_waits_and_gets_in_when_a_place_is_free(clock):
    places = Places(2, clock)
    assert [places.ask(who) for who in "abcd"] == [0, 0, 1, 2]
    places.leave("a")
    assert places.ask("d") == 1, "first come, first served: c is before d"
    assert places.ask("c") == 0
    assert (places.ask("d"), places.free) == (1, 0)


def test_asking_again_keeps_a_place_and_a_position(clock):
    places = Places(1, clock)
    for _ in range(5):
        assert [places.ask(who) for who in "abc"] == [0, 1, 2]
        clock.time += 0.9 * PATIENCE_S


def test_who_no_longer_asks_is_forgotten(clock):
    places = Places(1, clock)
    assert (places.ask("a"), places.ask("gone"), places.ask("c")) == (0, 1, 2)
    places.hold("a")
    clock.time += 0.6 * PATIENCE_S
    assert places.ask("c") == 2
    clock.time += 0.6 * PATIENCE_S
    assert places.ask("c") == 1
    places.leave("a")
    assert places.ask("c") == 0


def test_a_held_place_stays_without_asking(clock):
    places = Places(1, clock)
    places.ask("a")
    assert places.hold("a") and not places.hold("b")
    clock.time += 100 * PATIENCE_S
    assert (places.ask("b"), places.ask("a")) == (1, 0)


def test_a_place_that_was_given_and_not_used_goes_to_the_next(clock):
    places = Places(1, clock)
    places.ask("a")
    clock.time += 1.1 * PATIENCE_S
    assert places.ask("b") == 0
