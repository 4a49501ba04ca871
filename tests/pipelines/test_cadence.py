"""As often as the machine can bear, and no to and fro."""

from __future__ import annotations

from itertools import pairwise

import pytest
from streamseg.pipelines.cadence import Cadence, Load

INTERVAL = 1 / 30


@pytest.mark.parametrize(
    ("look", "cores", "every"), [(0.06, 2, 2), (0.064, 4, 1), (0.2, 2, 6), (0.004, 2, 1), (1, 1, 6)]
)
def test_it_begins_with_half_of_the_machine_for_the_network(look, cores, every):
    assert Cadence(look, cores=cores).every == every


def test_lost_frames_and_full_cores_make_it_look_less_often():
    cadence = Cadence(0.06, cores=2)
    assert cadence.decide(Load(INTERVAL, busy=0.7, lost=0.2)) == 3
    assert cadence.decide(Load(INTERVAL, busy=0.95, lost=0.0)) == 4
    for _ in range(10):
        last = cadence.decide(Load(INTERVAL, busy=0.95, lost=0.5))
    assert last == 6


def test_with_room_it_looks_more_often_but_not_at_once():
    cadence = Cadence(0.06, cores=2)
    cadence.decide(Load(INTERVAL, busy=0.7, lost=0.2))
    seen = [cadence.decide(Load(INTERVAL, busy=0.3, lost=0.0)) for _ in range(40)]
    assert seen[:5] == [3] * 5
    assert 2 in seen


def test_it_does_not_take_what_would_fill_the_machine():
    cadence = Cadence(0.06, cores=2)  # sees every second; every frame would take 45 % of the cores more
    assert [cadence.decide(Load(INTERVAL, busy=0.6, lost=0.0)) for _ in range(50)] == [2] * 50


def test_a_slow_camera_leaves_more_time_for_each_frame():
    cadence = Cadence(0.06, cores=2)
    assert cadence.decide(Load(interval=1 / 5, busy=0.2, lost=0.0)) == 1


def test_a_try_that_fails_again_and_again_is_made_less_and_less_often():
    cadence, tries = Cadence(0.06, cores=2), []
    for decision in range(400):
        looked_more_often = cadence.every == 2
        cadence.decide(Load(INTERVAL, busy=0.95 if looked_more_often else 0.3, lost=0.0))
        tries += [decision] if looked_more_often else []
    gaps = [after - before for before, after in pairwise(tries)]
    assert len(tries) <= 7
    assert gaps == sorted(gaps)
