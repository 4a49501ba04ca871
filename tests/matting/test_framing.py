"""Automatic framing: the view goes to where the subject is well placed, smoothly, and stays there."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.tracking.framing import Framing, Placement, placement
from streamseg.matting.tracking.roi import FULL_FRAME, ROI

STANDING = Placement(0.15, 0.4, 0.3, 0.9, head=0.22)
MOVED = Placement(0.36, 0.4, 0.51, 0.9, head=0.44)
FAR = Placement(0.7, 0.4, 0.85, 0.9, head=0.78)


def views(*parts: tuple[Placement | None, int], fps: float = 30.0) -> list[ROI]:
    """The views while the subject is at each place for a number of frames."""
    framing = Framing()
    places = [where for where, count in parts for _ in range(count)]
    return [framing(where, number / fps) for number, where in enumerate(places)]


def middles(seen: list[ROI]) -> np.ndarray:
    return np.array([[(view.left + view.right) / 2, (view.top + view.bottom) / 2] for view in seen])


def sizes(seen: list[ROI]) -> np.ndarray:
    return np.array([view.right - view.left for view in seen])


def test_the_subject_is_large_and_in_the_upper_part() -> None:
    view = views((STANDING, 1))[0]
    size = view.bottom - view.top
    assert size == pytest.approx(view.right - view.left)
    assert (STANDING.bottom - STANDING.top) / size > 0.8
    assert 0.05 < (STANDING.top - view.top) / size < 0.2
    assert view.left >= 0 and view.bottom <= 1


def test_the_view_follows_without_a_jump_and_without_passing_its_goal() -> None:
    seen = views((STANDING, 30), (MOVED, 240))
    x = middles(seen)[:, 0]
    steps = np.diff(x)
    assert np.all(steps >= -1e-9)  # one way only
    assert steps.max() <= 0.36 * sizes(seen).max() / 30
    assert np.abs(np.diff(steps)).max() <= 1.05 * sizes(seen).max() / 30**2
    assert x[-1] == pytest.approx(MOVED.head, abs=0.04)


def test_a_head_that_has_left_the_view_is_caught_up_with() -> None:
    for where in (FAR, STANDING._replace(top=0.1)):
        seen = views((STANDING, 30), (where, 60))
        outside = [not (view.left < where.head < view.right and view.top <= where.top) for view in seen[30:]]
        assert outside[0] and not any(outside[25:])


def test_arms_that_wave_do_not_move_it() -> None:
    rng = np.random.default_rng(3)
    framing, seen = Framing(), []
    for number in range(200):
        wave = rng.uniform(-0.03, 0.03, 3)
        where = STANDING._replace(left=0.15 + wave[0], right=0.3 + wave[1], head=0.22 + wave[2] / 2)
        seen.append(framing(where, number / 30))
    assert len(set(seen)) == 1


def test_a_lost_subject_is_waited_for_then_all_is_shown() -> None:
    seen = views((STANDING, 30), (None, 55), (STANDING, 10))
    assert len(set(seen)) == 1
    seen = views((STANDING, 30), (None, 400))
    assert seen[-1] == FULL_FRAME
    assert np.all(np.diff(sizes(seen)) >= -1e-6)
    assert views((None, 3)) == [FULL_FRAME] * 3


def test_a_new_scene_begins_at_its_own_view() -> None:
    framing = Framing()
    framing(STANDING, 0.0)
    assert framing(MOVED, 1 / 30, new_scene=True) == views((MOVED, 1))[0]


def test_the_way_depends_on_time_and_not_on_the_number_of_frames() -> None:
    slow, fast = (middles(views((STANDING, fps), (MOVED, 2 * fps), fps=fps)) for fps in (15, 60))
    assert np.abs(slow[15::15] - fast[60::60]).max() < 0.03


def test_a_subject_that_fills_the_frame_is_left_as_it_is() -> None:
    assert views((Placement(0.1, 0.02, 0.95, 1.0, head=0.5), 5)) == [FULL_FRAME] * 5


def test_a_placement_is_the_box_and_the_middle_of_the_head() -> None:
    subject = np.zeros((100, 200), bool)
    subject[20:48, 50:70] = subject[48:100, 40:140] = True
    assert placement(subject) == pytest.approx((0.2, 0.2, 0.7, 1.0, 0.3), abs=0.03)
    assert placement(np.zeros((100, 200), bool)) is None
