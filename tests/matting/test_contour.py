"""The motion of a subject's contour."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.arrays import box_mean
from streamseg.matting.carry import carry
from streamseg.matting.contour import at_contours
from streamseg.matting.motion import Motion, motion_between

ROWS, COLUMNS = 120, 200


def rough(seed):
    """A random picture with detail that can be followed."""
    values = np.random.default_rng(seed).uniform(0, 255, (ROWS, COLUMNS)).astype(np.float32)
    values = box_mean(box_mean(values, 3), 3)
    return (values - values.mean()) * 6 + 128


def disc(across=0.0, radius=30.0):
    """A matte with a soft edge."""
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    return np.clip(radius - np.hypot(x - 90 - across, y - 60), 0, 1)


def scene(across, background=0):
    """A rough disc that far from where it was, before a background that far from where it was."""
    alpha, subject = disc(across), np.roll(rough(1), across, axis=1)
    return np.roll(rough(2), background, axis=1) * (1 - alpha) + subject * alpha


@pytest.mark.parametrize("across, background", [(5, 0), (-4, 0), (0, 5), (3, -3)])
def test_the_contour_is_carried_where_the_subject_goes(across, background):
    motion = motion_between(scene(across, background), scene(0))
    errors = []
    for each in (motion, at_contours(motion, disc())):
        (carried,), _ = carry(disc()[None], each)
        errors.append(np.abs(carried - disc(across)).sum())
    assert errors[1] < 0.85 * errors[0]


def test_far_from_the_subject_the_motion_stays():
    motion = motion_between(scene(5, -2), scene(0))
    led = at_contours(motion, disc())
    away = np.abs(disc(0, 50)) == 0
    assert np.abs(led.flow - motion.flow)[:, away].max() < 1e-4
    assert np.array_equal(led.agreement, motion.agreement)


def test_without_a_subject_all_is_as_it_was():
    motion = motion_between(scene(5), scene(0))
    assert np.abs(at_contours(motion, np.zeros((240, 400), np.float32)).flow - motion.flow).max() < 1e-4


def test_what_the_motion_does_not_explain_has_no_say():
    flow = np.zeros((2, ROWS, COLUMNS), np.float32)
    agreement = np.ones((ROWS, COLUMNS), np.float32)
    flow[0, :, 90:], agreement[:, 90:] = 7, 0  # half of the subject is hidden by something that moves
    led = at_contours(Motion(flow, agreement), disc())
    assert np.abs(led.flow[0, 40:80, 70:90]).max() < 0.01
    assert np.abs(led.flow[0, 40:80, 100:110] - 7).max() < 0.01
