"""Brightness that changes without motion: what the flow and its confidence make of it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from streamseg.pipelines.stages.motion import MotionEstimator

from streamseg.frame import Colour, Frame, PixelFormat
from streamseg.matting.backend import NumPyBackend
from streamseg.matting.motion.brightness import may_differ, row_gains, with_gains

ROWS, COLUMNS = 120, 160


def luma(shift: float = 0.0, noise: float = 2.0):
    """A texture that has moved to the right, float32 [ROWS, COLUMNS], in code values from 40 to 200."""
    rng = np.random.default_rng(3)
    x, y = np.arange(COLUMNS) - shift, np.arange(ROWS)[:, None]
    total = np.zeros((ROWS, COLUMNS))
    for length, angle, phase in zip(np.geomspace(8, 90, 30), *rng.uniform(0, 2 * np.pi, (2, 30)), strict=True):
        total += length**0.5 * np.cos((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + phase)
    grain = np.random.default_rng(int(shift * 10)).normal(0, noise, total.shape)
    return (120 + 80 * total / np.abs(total).max() + grain).astype(np.float32)


def bands(image, phase: float):
    """The bands of a lamp, a tenth brighter and darker."""
    gains = 1 + 0.1 * np.sin(2 * np.pi * np.arange(ROWS) / 60 + phase)
    return ((image - 16) * gains[:, None] + 16).astype(np.float32)


def brighter(image, phase: float):
    """All of it, by a twentieth of the phase."""
    return ((image - 16) * (1 + 0.05 * phase) + 16).astype(np.float32)


def frame(image):
    grey = np.full((ROWS // 2, COLUMNS // 2), 128, np.uint8)
    planes = (np.rint(image).clip(0, 255).astype(np.uint8), grey, grey)
    return Frame(planes, PixelFormat.parse("yuv420p"), 0, Fraction(1, 30), Colour(1, 1, 1, 1))


@pytest.mark.parametrize("backend", [None, NumPyBackend()], ids=["fastest", "NumPy"])
@pytest.mark.parametrize(
    "disturb", [lambda image, phase: bands(image, phase), lambda image, phase: image * (1 + phase / 9)]
)
def test_flicker_and_exposure_are_no_motion_and_cost_no_confidence(backend, disturb):
    clean, disturbed = (MotionEstimator(COLUMNS, backend) for _ in range(2))
    for number in range(3):
        image = luma(2.0 * number)
        expected, found = clean(frame(image)).motion, disturbed(frame(disturb(image, 2.1 * number))).motion
    assert expected is not None and found is not None, "no scene cut"
    assert found.confidence.mean() > expected.confidence.mean() - 0.15
    inside = np.s_[8:-8, 12:-8]
    assert np.abs(found.flow[0][inside] + 2).mean() < 0.15 and np.abs(found.flow[1][inside]).mean() < 0.15


def test_gains_are_those_of_the_rows_where_something_moves_too():
    flow = np.stack([np.full((ROWS, COLUMNS), -3.0, np.float32), np.zeros((ROWS, COLUMNS), np.float32)])
    before, now = luma(0), bands(luma(3), 0.4)
    now[20:60, 40:90] = 60  # somebody comes in
    gains = row_gains(now, before, flow, 16)
    expected = 1 + 0.1 * np.sin(2 * np.pi * np.arange(ROWS) / 60 + 0.4)
    assert np.abs(gains - expected).max() < 0.06
    assert np.abs(with_gains(luma(0), gains, 16) - bands(luma(0), 0.4)).mean() < 3


def test_motion_alone_changes_nothing():
    flow = np.stack([np.full((ROWS, COLUMNS), -3.0, np.float32), np.zeros((ROWS, COLUMNS), np.float32)])
    assert row_gains(luma(3), luma(0), flow, 16) is None
    assert not may_differ(luma(0), luma(0, noise=2.5), 16)
    assert may_differ(bands(luma(0), 1.0), luma(0), 16)
