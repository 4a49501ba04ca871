"""The region of interest around the subject."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from streamseg.matting.tracking.roi import FULL_FRAME, ROI, motion_outside, subject_roi, track


def alpha_with(*rectangles, shape=(100, 200)):
    alpha = np.zeros(shape, np.float32)
    for top, bottom, left, right in rectangles:
        alpha[top:bottom, left:right] = 1
    return alpha


def test_a_subject_gets_a_margin_of_a_quarter_of_its_longer_side():
    roi = subject_roi(alpha_with((40, 60, 80, 120)))
    assert astuple(roi) == pytest.approx((70 / 200, 30 / 100, 130 / 200, 70 / 100))


def test_the_margin_ends_at_the_frame():
    assert astuple(subject_roi(alpha_with((0, 100, 150, 200)))) == pytest.approx((125 / 200, 0, 1, 1))


def test_two_subjects_are_in_one_roi():
    roi = subject_roi(alpha_with((20, 40, 30, 50), (60, 70, 150, 160)))
    assert roi.left * 200 <= 30
    assert roi.right * 200 >= 160
    assert roi.top * 100 <= 20
    assert roi.bottom * 100 >= 70


def test_a_faint_or_tiny_subject_has_no_roi():
    assert subject_roi(alpha_with()) is None
    assert subject_roi(0.25 * alpha_with((20, 80, 20, 80))) is None
    assert subject_roi(alpha_with((50, 54, 50, 54))) is None
    assert subject_roi(alpha_with((50, 60, 50, 52))) is not None


SMALL, LARGE = ROI(0.4, 0.4, 0.6, 0.6), ROI(0.2, 0.1, 0.8, 0.9)


def test_an_roi_grows_faster_than_it_shrinks_and_converges():
    grown, shrunk = track(SMALL, LARGE), track(LARGE, SMALL)
    distance = np.subtract(astuple(LARGE), astuple(SMALL))
    outwards = np.subtract(astuple(grown), astuple(SMALL)) / distance
    inwards = np.subtract(astuple(LARGE), astuple(shrunk)) / distance
    assert np.all((inwards > 0) & (inwards < outwards) & (outwards < 1))
    for start, end in ((SMALL, LARGE), (LARGE, SMALL)):
        roi = start
        for _ in range(40):
            roi = track(roi, end)
        assert astuple(roi) == pytest.approx(astuple(end), abs=1e-3)


def test_a_first_subject_gets_its_roi_at_once_and_a_lost_one_has_none():
    assert track(None, SMALL) == SMALL
    assert track(SMALL, None) is None


def random_rois(count):
    corners = np.sort(np.random.default_rng(3).uniform(0, 1, (count, 2, 2)), axis=1)
    return [ROI(*corner.ravel()) for corner in corners if np.all(corner[1] - corner[0] > 0.01)]


@pytest.mark.parametrize("size", [(1920, 1080), (321, 179), (90, 161)])
def test_an_aligned_roi_is_whole_blocks_around_the_roi_inside_the_frame(size):
    width, height = size
    for roi in random_rois(60):
        aligned = roi.aligned(width, height)
        left, top, right, bottom = aligned.pixels(width, height)
        assert left % 4 == top % 4 == 0
        assert right % 4 == 0 or right == width
        assert bottom % 4 == 0 or bottom == height
        original = roi.pixels(width, height)
        assert 0 <= left <= original[0] < original[2] <= right <= width
        assert 0 <= top <= original[1] < original[3] <= bottom <= height
        assert right - original[2] < 4
        assert original[0] - left < 4
        assert aligned.aligned(width, height).pixels(width, height) == (left, top, right, bottom)


@pytest.mark.parametrize("size", [(1920, 1080), (321, 179)])
def test_the_full_frame_is_all_of_its_pixels(size):
    assert FULL_FRAME.pixels(*size) == (0, 0, *size)
    assert FULL_FRAME.aligned(*size) == FULL_FRAME


def test_only_motion_outside_the_roi_counts():
    confidence = np.ones((40, 80), np.float32)
    confidence[10:20, 10:30] = 0.1
    inside, elsewhere = ROI(0.1, 0.2, 0.5, 0.6), ROI(0.5, 0.5, 1.0, 1.0)
    assert motion_outside(confidence, inside) == 0
    assert motion_outside(confidence, elsewhere) == pytest.approx(200 / 3200)
    assert motion_outside(confidence, ROI(0.25, 0.25, 1.0, 1.0)) == pytest.approx(100 / 3200)
    assert motion_outside(np.full((40, 80), 0.5, np.float32), elsewhere) == 0
