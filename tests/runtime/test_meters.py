"""Figures that do not grow."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from streamseg.runtime import Delays, Rate


@pytest.fixture
def time():
    return SimpleNamespace(now=100.0)


def test_a_rate_is_that_of_the_last_seconds(time):
    rate = Rate(lambda: time.now)
    for _ in range(100):  # ten a second for ten seconds, then forty
        rate.tick()
        time.now += 0.1
    assert rate.per_second == pytest.approx(10, abs=0.6)
    for _ in range(120):
        rate.tick()
        time.now += 0.025
    assert rate.per_second == pytest.approx(40, abs=0.6)
    assert rate.count == 220


def test_a_rate_falls_to_nothing_when_nothing_comes(time):
    rate = Rate(lambda: time.now)
    rate.tick()
    assert rate.per_second == 0
    rate.tick()
    time.now += 60
    assert rate.per_second == 0


def test_percentiles_of_delays():
    delays = Delays()
    assert delays.percentile(50) == 0
    for milliseconds in range(1, 101):
        delays.add(milliseconds / 1000)
    assert delays.percentile(50) == pytest.approx(0.05)
    assert delays.percentile(95) == pytest.approx(0.095)
    assert delays.last == pytest.approx(0.1)


def test_what_took_for_ever_counts_as_ten_seconds():
    delays = Delays()
    delays.add(1e6)
    delays.add(-1e-4)  # clocks of two threads
    assert delays.percentile(100) == 10
    assert delays.percentile(1) == 0
