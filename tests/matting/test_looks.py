"""When the network looks, where, and in which form."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.boxes import WHOLE, Box
from streamseg.matting.looks import Looks, usual_forms

SUBJECT = Box(0.25, 0.25, 0.5, 0.75)
STILL = np.ones((18, 32), np.float32)
SIZE = (128, 72)


def looks_of(count, every=1, fine=1, mixed=True, tracked=SUBJECT):
    looks = Looks(every, fine)
    return [_next(looks, frame == 0, mixed, tracked) for frame in range(count)]


def _next(looks, new_scene, mixed, tracked):
    if looks.skips(new_scene):
        return None
    return looks.next(SIZE, None if new_scene else STILL, None if new_scene else tracked, mixed)


def test_every_other_look_is_mirrored():
    assert [look.mirrored for look in looks_of(6)] == [False, True] * 3
    seen = [look for look in looks_of(12, every=3) if look is not None]
    assert [look.mirrored for look in seen] == [False, True, False, True]


@pytest.mark.parametrize("fine", [None, 0, 1, 5])
def test_without_a_memory_looks_at_the_subject_are_all_alike(fine):
    looks = looks_of(12, fine=fine, mixed=False)
    assert not any(look.mirrored for look in looks)
    assert {look.fine for look in looks} == {bool(fine)}


def test_fine_looks_come_in_turns_with_coarse_ones_and_are_mirrored_in_turns():
    looks = looks_of(26, fine=5)
    wholes = [number for number, look in enumerate(looks) if look.box == WHOLE]
    assert wholes == [0, 13]
    assert [number for number, look in enumerate(looks) if look.fine] == sorted({*range(0, 26, 5), *wholes})
    assert [looks[number].mirrored for number in (0, 5, 10, 15)] == [False, True, False, True]


@pytest.mark.parametrize("fine", [None, 0, 1, 5])
def test_usual_forms_are_those_of_a_quiet_scene(fine):
    assert usual_forms(fine, 30) == [look.fine for look in looks_of(30, fine=fine)]


@pytest.mark.parametrize("tracked", [None, WHOLE])
def test_whole_frames_are_not_all_fine_where_there_is_nobody_or_a_subject_fills_them(tracked):
    looks = looks_of(26, fine=5, tracked=tracked)
    assert {look.box for look in looks} == {WHOLE}
    assert [number for number, look in enumerate(looks) if look.fine] == [0, 5, 10, 15, 20, 25]


def test_only_whole_frames_or_none_at_all():
    assert [number for number, look in enumerate(looks_of(20, fine=0)) if look.fine] == [0, 13]
    assert not any(look.fine for look in looks_of(20, fine=None))


def gaps(surprises, calm, agreement=STILL, every=3):
    """Frames from look to look, each look telling what ``surprises`` says."""
    looks, places = Looks(every, None, calm), []
    for frame in range(200):
        if looks.skips(frame == 0, agreement):
            continue
        looks.next(SIZE, None if frame == 0 else agreement, SUBJECT, True)
        places.append(frame)
        if len(places) > len(surprises):
            break
        looks.saw(surprises[len(places) - 1])
    return np.diff(places).tolist()


def test_looks_that_tell_nothing_new_come_further_apart_and_no_further_than_allowed():
    assert gaps([0.01] * 6, calm=3) == [4, 5, 6, 6, 6, 6]
    assert gaps([0.01] * 6, calm=0) == [3] * 6
    assert gaps([0.3] * 6, calm=3) == [3] * 6


def test_news_bring_the_next_looks_back_at_once():
    assert gaps([0.01, 0.01, 0.01, 0.3, 0.01, 0.3], calm=3) == [4, 5, 6, 3, 4, 3]


def test_something_that_the_motion_does_not_explain_is_looked_at_without_waiting():
    looks = Looks(3, None, calm=3)
    assert not looks.skips(True)
    for _ in range(3):
        looks.saw(0.0)
    stirred = STILL.copy()
    stirred[:2, :4] = 0
    assert [looks.skips(False, agreement) for agreement in (STILL, STILL, STILL, stirred)] == [True, True, True, False]
