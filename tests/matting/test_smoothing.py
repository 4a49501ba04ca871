"""A matte smoothed with the one after it, and averaged with those of both neighbours."""

from __future__ import annotations

import numpy as np

from streamseg.matting.constants import ALPHA_HIGH, ALPHA_LOW
from streamseg.matting.edges.refine import apply_limits
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.temporal.smoothing import average, smooth

SHAPE = (40, 60)
EMPTY = np.zeros(SHAPE, np.float32)
SQUARE = EMPTY.copy()
SQUARE[10:30, 20:40] = 1


def motion_of(across=0.0, confidence=1.0):
    """The motion of a frame whose content moved right by that many pixels."""
    flow = np.zeros((2, *SHAPE), np.float32)
    flow[0] = -across
    return Motion(flow, np.broadcast_to(np.float32(confidence), SHAPE).astype(np.float32))


def confident_on_the_left():
    confidence = np.ones(SHAPE, np.float32)
    confidence[:, 30:] = 0
    return confidence


def test_smoothing_takes_the_later_matte_where_the_flow_is_trusted():
    later = np.roll(SQUARE, 4, axis=1)
    smoothed = smooth(EMPTY, later, motion_of(-4, confident_on_the_left()))
    assert np.allclose(smoothed[:, :30], SQUARE[:, :30], atol=1e-5)
    assert np.allclose(smoothed[:, 30:], 0, atol=1e-5)


def test_smoothing_leaves_its_arguments_unchanged():
    alpha, later = SQUARE.copy(), EMPTY.copy()
    smooth(alpha, later, motion_of())
    assert np.array_equal(alpha, SQUARE)
    assert np.array_equal(later, EMPTY)


def test_the_average_takes_the_neighbours_where_the_flow_is_trusted():
    confidence = confident_on_the_left()
    neighbours = [(np.roll(SQUARE, by, axis=1), motion_of(-by, confidence)) for by in (4, -2)]
    averaged, low, high = average(EMPTY, neighbours), ALPHA_LOW, ALPHA_HIGH
    assert np.allclose(averaged[:, 6:30], np.where(SQUARE > 0, (low + 4 * high) / 5, low)[:, 6:30], atol=1e-5)
    assert np.allclose(averaged[:, 30:], low, atol=1e-5)
    assert np.array_equal(average(SQUARE, []), np.clip(SQUARE, low, high))
    half_weight = average(EMPTY, [(SQUARE, motion_of(confidence=np.full(SHAPE, 0.25, np.float32)))])
    assert np.allclose(half_weight, np.where(SQUARE > 0, (low + high) / 2, low), atol=1e-5)


def test_the_average_is_of_mattes_as_they_are_shown():
    faint, still = np.full(SHAPE, 0.08, np.float32), motion_of()
    assert not apply_limits(average(EMPTY, [(faint, still), (faint, still)])).any()
    assert np.allclose(apply_limits(average(faint, [(SQUARE, still), (SQUARE, still)])), SQUARE * 0.8, atol=1e-4)
    confidence = np.random.default_rng(1).random(SHAPE, np.float32)
    neighbours = [(SQUARE, motion_of(confidence=each)) for each in (confidence, confidence**2)]
    shown = apply_limits(average(SQUARE, neighbours))
    assert np.array_equal(shown, SQUARE), "0 and 1 are exact: values only nearly so would be refined, which takes time"
