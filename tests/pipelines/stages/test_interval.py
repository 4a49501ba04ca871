"""The interval of inferences on live frames: as short as the load allows, without oscillation."""

from __future__ import annotations

from itertools import pairwise

import pytest
from streamseg.pipelines.stages.interval import IntervalController, Load

FRAME_S = 1 / 30


@pytest.mark.parametrize(
    ("inference_s", "cores", "every"), [(0.06, 2, 2), (0.064, 4, 1), (0.2, 2, 6), (0.004, 2, 1), (1, 1, 6)]
)
def test_the_first_interval_gives_half_of_the_machine_to_the_network(inference_s, cores, every):
    assert IntervalController(inference_s, cores=cores).every == every


def test_dropped_frames_and_busy_cores_lengthen_the_interval():
    controller = IntervalController(0.06, cores=2)
    assert controller.decide(Load(FRAME_S, busy=0.7, dropped=0.25)) == 3
    assert controller.decide(Load(FRAME_S, busy=0.95, dropped=0.0)) == 4
    for _ in range(10):
        last = controller.decide(Load(FRAME_S, busy=0.95, dropped=0.5))
    assert last == 6


def test_other_programs_get_their_time():
    """But not all of it: with an inference of 12 ms of the 67 that two cores have for a frame, every second one."""
    quick, slow = IntervalController(0.012, cores=2), IntervalController(0.06, cores=2)
    for _ in range(10):
        after = [controller.decide(Load(FRAME_S, 0.6, 0.0, machine=0.92)) for controller in (quick, slow)]
    assert after == [2, 6]
    for _ in range(400):
        after = [controller.decide(Load(FRAME_S, 0.5, 0.0, machine=0.74)) for controller in (quick, slow)]
    assert after == [2, 6]
    for _ in range(400):
        after = [controller.decide(Load(FRAME_S, 0.4, 0.0, machine=0.45)) for controller in (quick, slow)]
    assert after == [1, 2]


def test_some_dropped_frames_now_and_then_change_nothing():
    controller = IntervalController(0.06, cores=2)
    for dropped in (0.1, 0.0, 0.1, 0.0, 0.1):
        assert controller.decide(Load(FRAME_S, busy=0.7, dropped=dropped)) == 2
    assert controller.decide(Load(FRAME_S, busy=0.7, dropped=0.1)) == 3  # twice in a row


def test_a_low_load_shortens_the_interval_but_not_at_once():
    controller = IntervalController(0.06, cores=2)
    controller.decide(Load(FRAME_S, busy=0.7, dropped=0.25))
    intervals = [controller.decide(Load(FRAME_S, busy=0.3, dropped=0.0)) for _ in range(40)]
    assert intervals[:5] == [3] * 5
    assert 2 in intervals


def test_the_interval_is_not_shortened_where_that_would_fill_the_machine():
    controller = IntervalController(0.06, cores=2)  # every 2nd frame; every frame would take 45 % of the cores more
    assert [controller.decide(Load(FRAME_S, busy=0.6, dropped=0.0)) for _ in range(50)] == [2] * 50


def test_a_slow_camera_leaves_more_time_for_each_frame():
    controller = IntervalController(0.06, cores=2)
    assert controller.decide(Load(frame_s=1 / 5, busy=0.2, dropped=0.0)) == 1


def test_attempts_that_keep_failing_become_rarer():
    controller, attempts = IntervalController(0.06, cores=2), []
    for decision in range(400):
        short = controller.every == 2
        controller.decide(Load(FRAME_S, busy=0.95 if short else 0.3, dropped=0.0))
        attempts += [decision] if short else []
    gaps = [after - before for before, after in pairwise(attempts)]
    assert len(attempts) <= 7
    assert gaps == sorted(gaps)
