"""The motion of the foreground layer at its contour."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.arrays import box_mean
from streamseg.matting.motion.estimate import Motion, estimate_motion
from streamseg.matting.motion.layers import layer_motion
from streamseg.matting.motion.warp import warp_by_motion

ROWS, COLUMNS = 120, 200


def texture(seed):
    """A random image with detail that can be tracked."""
    values = np.random.default_rng(seed).uniform(0, 255, (ROWS, COLUMNS)).astype(np.float32)
    values = box_mean(box_mean(values, 3), 3)
    return (values - values.mean()) * 6 + 128


def disc(across=0.0, radius=30.0):
    """The matte of a disc with a soft edge."""
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    return np.clip(radius - np.hypot(x - 90 - across, y - 60), 0, 1)


def scene(across, background=0):
    """A textured disc over a textured background, each shifted to the right by that many pixels."""
    alpha, subject = disc(across), np.roll(texture(1), across, axis=1)
    return np.roll(texture(2), background, axis=1) * (1 - alpha) + subject * alpha


@pytest.mark.parametrize("across, background", [(5, 0), (-4, 0), (0, 5), (3, -3)])
def test_the_contour_moves_with_the_subject(across, background):
    motion = estimate_motion(scene(across, background), scene(0))
    errors = []
    for each in (motion, layer_motion(motion, disc())):
        (warped,), _ = warp_by_motion(disc()[None], each)
        errors.append(np.abs(warped - disc(across)).sum())
    assert errors[1] < 0.85 * errors[0]


def test_far_from_the_subject_the_flow_is_unchanged():
    motion = estimate_motion(scene(5, -2), scene(0))
    layer = layer_motion(motion, disc())
    far = np.abs(disc(0, 50)) == 0
    assert np.abs(layer.flow - motion.flow)[:, far].max() < 1e-4
    assert np.array_equal(layer.confidence, motion.confidence)


def test_without_a_subject_the_flow_is_unchanged():
    motion = estimate_motion(scene(5), scene(0))
    assert np.abs(layer_motion(motion, np.zeros((240, 400), np.float32)).flow - motion.flow).max() < 1e-4


def test_flow_without_confidence_is_ignored():
    flow = np.zeros((2, ROWS, COLUMNS), np.float32)
    confidence = np.ones((ROWS, COLUMNS), np.float32)
    flow[0, :, 90:], confidence[:, 90:] = 7, 0  # half of the subject is hidden by something that moves
    layer = layer_motion(Motion(flow, confidence), disc())
    assert np.abs(layer.flow[0, 40:80, 70:90]).max() < 0.01
    assert np.abs(layer.flow[0, 40:80, 100:110] - 7).max() < 0.01
