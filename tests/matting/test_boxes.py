"""Crops around subjects."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from streamseg.matting.boxes import WHOLE, Box, follow, stir_outside, subject_box


def alpha_with(*squares, shape=(100, 200)):
    alpha = np.zeros(shape, np.float32)
    for top, bottom, left, right in squares:
        alpha[top:bottom, left:right] = 1
    return alpha


def test_a_subject_gets_a_margin_of_a_quarter_of_its_longer_side():
    box = subject_box(alpha_with((40, 60, 80, 120)))
    assert astuple(box) == pytest.approx((70 / 200, 30 / 100, 130 / 200, 70 / 100))


def test_the_margin_ends_at_the_frame():
    assert astuple(subject_box(alpha_with((0, 100, 150, 200)))) == pytest.approx((125 / 200, 0, 1, 1))


def test_two_subjects_are_in_one_box():
    box = subject_box(alpha_with((20, 40, 30, 50), (60, 70, 150, 160)))
    assert box.left * 200 <= 30
    assert box.right * 200 >= 160
    assert box.top * 100 <= 20
    assert box.bottom * 100 >= 70


def test_nothing_faint_and_tiny_is_not_followed():
    assert subject_box(alpha_with()) is None
    assert subject_box(0.25 * alpha_with((20, 80, 20, 80))) is None
    assert subject_box(alpha_with((50, 54, 50, 54))) is None
    assert subject_box(alpha_with((50, 60, 50, 52))) is not None


SMALL, LARGE = Box(0.4, 0.4, 0.6, 0.6), Box(0.2, 0.1, 0.8, 0.9)


def test_a_crop_grows_quicker_than_it_shrinks_and_arrives():
    grown, shrunk = follow(SMALL, LARGE), follow(LARGE, SMALL)
    way = np.subtract(astuple(LARGE), astuple(SMALL))
    outwards = np.subtract(astuple(grown), astuple(SMALL)) / way
    inwards = np.subtract(astuple(LARGE), astuple(shrunk)) / way
    assert np.all((inwards > 0) & (inwards < outwards) & (outwards < 1))
    for start, end in ((SMALL, LARGE), (LARGE, SMALL)):
        box = start
        for _ in range(40):
            box = follow(box, end)
        assert astuple(box) == pytest.approx(astuple(end), abs=1e-3)


def test_a_first_subject_is_cropped_at_once_and_a_lost_one_dropped():
    assert follow(None, SMALL) == SMALL
    assert follow(SMALL, None) is None


def boxes(count):
    corners = np.sort(np.random.default_rng(3).uniform(0, 1, (count, 2, 2)), axis=1)
    return [Box(*corner.ravel()) for corner in corners if np.all(corner[1] - corner[0] > 0.01)]


@pytest.mark.parametrize("size", [(1920, 1080), (321, 179), (90, 161)])
def test_a_snapped_crop_is_whole_blocks_around_the_box_inside_the_frame(size):
    width, height = size
    for box in boxes(60):
        snapped = box.snapped(width, height)
        left, top, right, bottom = snapped.pixels(width, height)
        assert left % 4 == top % 4 == 0
        assert right % 4 == 0 or right == width
        assert bottom % 4 == 0 or bottom == height
        first = box.pixels(width, height)
        assert 0 <= left <= first[0] < first[2] <= right <= width
        assert 0 <= top <= first[1] < first[3] <= bottom <= height
        assert right - first[2] < 4
        assert first[0] - left < 4
        assert snapped.snapped(width, height).pixels(width, height) == (left, top, right, bottom)


@pytest.mark.parametrize("size", [(1920, 1080), (321, 179)])
def test_the_whole_frame_is_all_of_its_pixels(size):
    assert WHOLE.pixels(*size) == (0, 0, *size)
    assert WHOLE.snapped(*size) == WHOLE


def test_only_what_stirs_outside_of_the_crop_counts():
    agreement = np.ones((40, 80), np.float32)
    agreement[10:20, 10:30] = 0.1
    inside, elsewhere = Box(0.1, 0.2, 0.5, 0.6), Box(0.5, 0.5, 1.0, 1.0)
    assert stir_outside(agreement, inside) == 0
    assert stir_outside(agreement, elsewhere) == pytest.approx(200 / 3200)
    assert stir_outside(agreement, Box(0.25, 0.25, 1.0, 1.0)) == pytest.approx(100 / 3200)
    assert stir_outside(np.full((40, 80), 0.5, np.float32), elsewhere) == 0
