"""Which input suits a subject: the smaller one where it is near and found there."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.tracking.near import InputSize, is_near


def saliency(top, bottom, left, right, side=100):
    """A map that is salient in a rectangle, given in hundredths of its sides."""
    values = np.zeros((side, side), np.float32)
    rows, columns = (slice(*(round(side * end / 100) for end in ends)) for ends in ((top, bottom), (left, right)))
    values[rows, columns] = 0.9
    return values


@pytest.mark.parametrize(
    ("rectangle", "near"),
    [
        ((20, 100, 20, 80), True),
        ((0, 100, 0, 100), True),
        ((10, 90, 10, 90), False),  # large, but its lower end is seen: a whole body or a thing
        ((60, 100, 40, 60), False),  # cut off below, but small
        ((0, 0, 0, 0), False),
    ],
)
def test_a_near_subject_is_large_and_cut_off_below(rectangle, near):
    assert is_near(saliency(*rectangle)) is near


@pytest.mark.parametrize(("found_at_320", "near"), [(40, True), (70, False)])
def test_the_input_that_more_is_found_in_is_chosen(found_at_320, near):
    size = InputSize()
    assert size.choose(saliency(30, 100, 20, 80, 224), saliency(100 - found_at_320, 100, 10, 90, 320)) is near
    assert size.near is near


def test_the_size_is_due_in_a_new_scene_and_then_with_a_later_full_frame():
    size, due = InputSize(), []
    for inference in range(60):
        due.append(size.is_due(full_frame=inference % 13 == 0, new_scene=inference == 0))
        if due[-1]:
            size.choose(saliency(0, 0, 0, 0), saliency(0, 0, 0, 0))
    assert np.flatnonzero(due).tolist() == [0, 26, 52]
