"""Admission: a limited number of slots, a fair queue, and nobody waits for a visitor who has left."""

from __future__ import annotations

import pytest
from streamseg.demos.admission import TIMEOUT_S, Admission


class Clock:
    time = 0.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


def test_the_next_one_waits_and_is_admitted_when_a_slot_is_free(clock):
    admission = Admission(2, clock)
    assert [admission.request(visitor) for visitor in "abcd"] == [0, 0, 1, 2]
    admission.release("a")
    assert admission.request("d") == 1, "first come, first served: c is before d"
    assert admission.request("c") == 0
    assert (admission.request("d"), admission.free) == (1, 0)


def test_repeated_requests_keep_a_slot_and_a_position(clock):
    admission = Admission(1, clock)
    for _ in range(5):
        assert [admission.request(visitor) for visitor in "abc"] == [0, 1, 2]
        clock.time += 0.9 * TIMEOUT_S


def test_a_visitor_without_further_requests_is_forgotten(clock):
    admission = Admission(1, clock)
    assert (admission.request("a"), admission.request("left"), admission.request("c")) == (0, 1, 2)
    admission.hold("a")
    clock.time += 0.6 * TIMEOUT_S
    assert admission.request("c") == 2
    clock.time += 0.6 * TIMEOUT_S
    assert admission.request("c") == 1
    admission.release("a")
    assert admission.request("c") == 0


def test_a_held_slot_needs_no_further_requests(clock):
    admission = Admission(1, clock)
    admission.request("a")
    assert admission.hold("a") and not admission.hold("b")
    clock.time += 100 * TIMEOUT_S
    assert (admission.request("b"), admission.request("a")) == (1, 0)


def test_a_slot_that_is_not_used_goes_to_the_next(clock):
    admission = Admission(1, clock)
    admission.request("a")
    clock.time += 1.1 * TIMEOUT_S
    assert admission.request("b") == 0
