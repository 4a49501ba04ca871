"""Rates and latencies in constant memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from streamseg.runtime import LatencyHistogram, Rate


@pytest.fixture
def time():
    return SimpleNamespace(now=100.0)


def test_a_rate_covers_the_last_seconds(time):
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


def test_a_rate_falls_to_zero_without_events(time):
    rate = Rate(lambda: time.now)
    rate.tick()
    assert rate.per_second == 0
    rate.tick()
    time.now += 60
    assert rate.per_second == 0


def test_percentiles_of_latencies():
    latencies = LatencyHistogram()
    assert latencies.percentile(50) == 0
    for milliseconds in range(1, 101):
        latencies.add(milliseconds / 1000)
    assert latencies.percentile(50) == pytest.approx(0.05)
    assert latencies.percentile(95) == pytest.approx(0.095)
    assert latencies.last == pytest.approx(0.1)


def test_latencies_are_clamped_to_zero_and_ten_seconds():
    latencies = LatencyHistogram()
    latencies.add(1e6)
    latencies.add(-1e-4)  # possible with the clocks of two threads
    assert latencies.percentile(100) == 10
    assert latencies.percentile(1) == 0
