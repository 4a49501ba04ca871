"""Near subjects: when a subject is one, which input suits it, and what the person map does."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.tracking.inference import Inference
from streamseg.matting.tracking.near import NEAR_INPUT_SIZE, NearSubject, is_near, seen_by_both

PERSON, NOBODY = (20, 100, 20, 80), (0, 0, 0, 0)


def found(top, bottom, left, right, side=100, saliency=0.9):
    """A map that is salient in a rectangle, given in hundredths of its sides."""
    values = np.full((side, side), 0.05, np.float32)
    rows, columns = (slice(*(round(side * end / 100) for end in ends)) for ends in ((top, bottom), (left, right)))
    values[rows, columns] = saliency
    return values


@pytest.mark.parametrize(
    ("rectangle", "near"),
    [
        (PERSON, True),
        ((0, 100, 0, 100), True),
        ((10, 90, 10, 90), False),  # large, but its lower end is seen: a whole body or a thing
        ((60, 100, 40, 60), False),  # cut off below, but small
        (NOBODY, False),
    ],
)
def test_a_near_subject_is_large_and_cut_off_below(rectangle, near):
    assert is_near(found(*rectangle) > 0.5) is near


@pytest.mark.parametrize(("found_at_320", "small"), [(40, True), (70, False)])
def test_the_input_that_more_is_found_in_is_chosen(found_at_320, small):
    near = NearSubject()
    near.choose(found(30, 100, 20, 80, 224), found(100 - found_at_320, 100, 10, 90, 320), None)
    assert near.small is small
    assert near.seen(Inference(variant="lite")).size == (NEAR_INPUT_SIZE if small else None)


@pytest.mark.parametrize("subject", ["auto", "person"])
@pytest.mark.parametrize(
    ("person_map", "person"),
    [
        (PERSON, True),
        ((30, 100, 0, 100), True),
        ((0, 40, 0, 100), False),  # not cut off below
        (NOBODY, False),
    ],
)
def test_a_near_person_is_one_for_both_networks(subject, person_map, person):
    near = NearSubject(subject)
    near.choose(found(*PERSON, 224), found(*PERSON, 320), found(*person_map, 256))
    assert near.person is person
    assert near.seen(Inference()).person_map == ("mix" if person else "presence" if subject == "person" else "unused")


def test_a_thing_beside_a_person_stays_the_subject():
    near = NearSubject("auto")
    near.choose(found(0, 60, 0, 30, 224), found(0, 60, 0, 30, 320), found(20, 100, 40, 100, 256))
    assert not near.person


@pytest.mark.parametrize("subject", ["any", "auto", "person"])
def test_the_person_map_is_asked_where_it_may_count(subject):
    asked = {inference.person_map for inference in NearSubject(subject).choices(Inference())}
    assert asked == {"unused" if subject == "any" else "mix"}


@pytest.mark.parametrize(("person_map", "left"), [(found(*NOBODY, 256), 0.0), (found(40, 90, 40, 60, 256), 0.9)])
def test_what_is_salient_where_nobody_is_does_not_count(person_map, left):
    lamp = found(10, 30, 10, 30, 320)
    assert seen_by_both(Inference(person_map="presence"), lamp, person_map).max() == pytest.approx(left)
    assert seen_by_both(Inference(), lamp, person_map) is lamp


def test_a_choice_is_due_in_a_new_scene_and_then_with_a_later_full_frame():
    near, due = NearSubject(), []
    for inference in range(60):
        due.append(near.is_due(full_frame=inference % 13 == 0, new_scene=inference == 0))
        if due[-1]:
            near.choose(found(*NOBODY), found(*NOBODY), None)
    assert np.flatnonzero(due).tolist() == [0, 26, 52]


def test_a_near_persons_body_comes_from_the_person_map():
    head, person = found(20, 50, 35, 65, 224), found(*PERSON, 256)
    assert seen_by_both(Inference(person_map="mix"), head, person)[200, 112] > 0.5
    assert seen_by_both(Inference(person_map="presence"), head, person)[200, 112] < 0.1
