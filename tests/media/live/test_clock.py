"""Time stamps of a sender on a live clock."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from streamseg.media.live.clock import LiveClock, SenderClock


class SetClock(LiveClock):
    """A clock that stands still between two settings."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def stamps(clock, arrivals):
    """Seconds on ``clock`` of frames that were sent and came at these times."""
    sender, seconds = SenderClock(clock), []
    for sent, came in arrivals:
        clock.seconds = came
        seconds.append(sender.pts(sent) / 1e6)
    return seconds


def test_frames_keep_their_distances_however_they_come(clock):
    delays = np.random.default_rng(3).uniform(0.01, 0.05, 300)
    arrivals = [(k / 30, 100 + k / 30 + delay) for k, delay in enumerate(delays)]
    seconds = stamps(clock, arrivals)
    assert all(second <= came + 1e-6 for second, (_, came) in zip(seconds, arrivals, strict=True))
    # Until one has come early, distances are those of the arrival.
    steps = [after - before for before, after in pairwise(seconds[60:])]
    assert min(steps) > 1 / 30 - 0.005 and max(steps) < 1 / 30 + 0.0005
    assert max(came - second for second, (_, came) in zip(seconds, arrivals, strict=True)) < 0.045


@pytest.mark.parametrize("rate", [0.9995, 1.0005])
def test_a_sender_whose_clock_is_fast_or_slow_stays_in_time(clock, rate):
    arrivals = [(rate * k / 30, k / 30) for k in range(9000)]
    assert all(
        -1e-6 <= came - second < 0.002 for second, (_, came) in zip(stamps(clock, arrivals), arrivals, strict=True)
    )


def test_after_a_gap_frames_are_not_thought_old(clock):
    # The sender's clock stands still while it sleeps; and it may go on earlier than the network does.
    for slept in (0.0, 60.0):
        arrivals = [(0, 5), (0.033, 5.033), (0.066 + slept, 65.066)]
        assert stamps(clock, arrivals)[-1] == pytest.approx(65.066, abs=1e-3)
