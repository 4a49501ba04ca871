"""Mattes through time on the GPU, against the NumPy reference in streamseg.matting."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.device.cuda.stages.filter import GPUObservation, MatteFilter  # noqa: E402
from streamseg.matting.arrays import box_mean  # noqa: E402
from streamseg.matting.motion.estimate import Motion  # noqa: E402
from streamseg.matting.motion.layers import layer_motion  # noqa: E402
from streamseg.matting.temporal.ambiguity import resolve  # noqa: E402
from streamseg.matting.temporal.filter import initialise, observe, update  # noqa: E402
from streamseg.matting.temporal.smoothing import average, smooth  # noqa: E402
from streamseg.matting.tracking.inference import Inference  # noqa: E402
from streamseg.matting.tracking.roi import FULL_FRAME, ROI, subject_roi, track  # noqa: E402

pytestmark = pytest.mark.parametrize("platform", ["late", "gpu"], indirect=True)

GRID, MOTION_SHAPE = (72, 128), (45, 80)
#: An 8-bit code value is .0039.
TOLERANCE = 1e-3


def soft(seed, shape=(320, 320)):
    """A smooth map in [0, 1] with a clear subject."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / shape[0]
    centre = rng.uniform(0.4, 0.6, 2)
    distance = np.hypot(y - centre[0], x - centre[1])
    return np.clip(1.6 - 5 * distance + 0.2 * np.sin(9 * x + seed), 0, 1).astype(np.float32)


def random_motion(seed):
    rng = np.random.default_rng(seed)
    flow = (rng.normal(0, 1.5, (2, 1, 1)) + rng.normal(0, 0.3, (2, *MOTION_SHAPE))).astype(np.float32)
    return Motion(flow, rng.uniform(0, 1, MOTION_SHAPE).astype(np.float32))


class KnownMotion:
    """In place of a GPUMotionEstimator: motions that are given."""

    rows, columns = MOTION_SHAPE

    def __init__(self, platform, forward, backward):
        tensors = [[platform.upload(torch.from_numpy(part)) for part in (m.flow, m.confidence)] for m in forward]
        back = [[platform.upload(torch.from_numpy(part)) for part in (m.flow, m.confidence)] for m in backward]
        self.flow, self.confidence = (lambda index, part=part: tensors[index][part] for part in range(2))
        self.backward_flow, self.backward_confidence = (lambda index, part=part: back[index][part] for part in range(2))


CROP = ROI(0.2, 0.1, 0.9, 0.95)
#: ROI, whether the network sees the frame, whether a new scene starts, and the content of the frame.
SEQUENCE = [
    (FULL_FRAME, True, True, 1.0),
    (CROP, True, False, 1.0),
    (FULL_FRAME, False, False, 1.0),
    (FULL_FRAME, True, False, 0.7),
    (ROI(0.31, 0.22, 0.77, 0.81), True, False, 1.0),
    (FULL_FRAME, True, True, 1.0),
    (CROP, True, False, 1.0),
]


@pytest.mark.parametrize("strength", [0.5, 1.0, 0.0])
def test_filtered_mattes_equal_the_reference(platform, strength):
    motions = [random_motion(10 + index) for index in range(len(SEQUENCE))]
    matte_filter = MatteFilter(platform, KnownMotion(platform, motions, motions), *GRID, len(SEQUENCE), strength)
    expected, roi = None, None
    for index, (seen, observed, new_scene, content) in enumerate(SEQUENCE):
        saliency = soft(index)
        inference = Inference(seen, flipped=index % 2 == 1)
        given = saliency[:, ::-1].copy() if inference.flipped else saliency
        on_gpu = GPUObservation(platform.upload(torch.from_numpy(given)), inference, content) if observed else None
        matte_filter.update(index, index - 1 if index else 0, on_gpu, new_scene)
        observation = observe(saliency, seen, GRID, content) if observed else None
        if new_scene:
            expected, roi = initialise(observation), None
        else:
            layer = layer_motion(motions[index], expected.alpha)
            assert np.abs(layer.flow - motions[index].flow).max() > 0.1
            expected = update(expected, layer, observation, strength, roi)
        roi = track(roi, subject_roi(expected.alpha))
        assert np.abs(matte_filter.alpha(index).cpu().numpy() - expected.alpha).max() < TOLERANCE, index
        found = matte_filter.roi(index)
        sides = [
            (found.left, roi.left),
            (found.top, roi.top),
            (found.right, roi.right),
            (found.bottom, roi.bottom),
        ]
        assert max(abs(a - b) for a, b in sides) < 1.5 / min(GRID), index


def test_the_roi_is_tracked_as_in_the_reference(platform):
    """A subject that moves, grows, shrinks to nothing and comes back, and a new scene."""
    rows, columns = 72, 128
    boxes = [(20, 50, 30, 60), (22, 58, 20, 66), (30, 44, 50, 58), (0, 72, 0, 128), (40, 41, 60, 61), (5, 30, 90, 120)]
    bounds = platform.upload(torch.tensor([1 << 30, -1, 1 << 30, -1], dtype=torch.int32))
    roi = platform.upload(torch.zeros(5, dtype=torch.float64))
    expected = None
    steps = [(False, box) for box in boxes] + [(True, boxes[0]), (False, boxes[2])]
    for new_scene, (top, bottom, left, right) in steps:
        alpha = np.zeros((rows, columns), np.float32)
        alpha[top:bottom, left:right] = 1
        bounds.copy_(torch.tensor([top, bottom - 1, left, right - 1], dtype=torch.int32))
        platform.launch("track", (1, 1), bounds, int(new_scene), rows, columns, roi)
        expected = track(None if new_scene else expected, subject_roi(alpha))
        *sides, found = roi.cpu().tolist()
        assert bool(found) == (expected is not None)
        if expected is not None:
            assert np.allclose(sides, [expected.left, expected.top, expected.right, expected.bottom], atol=1e-9)
        assert bounds.cpu().tolist() == [1 << 30, -1, 1 << 30, -1]


def test_an_empty_matte_has_no_roi(platform):
    matte_filter = MatteFilter(platform, KnownMotion(platform, [random_motion(0)], [random_motion(0)]), *GRID, 1, 0.5)
    empty = platform.upload(torch.zeros((320, 320)))
    matte_filter.update(0, 0, GPUObservation(empty, Inference(), 1.0), True)
    assert not matte_filter.alpha(0).cpu().numpy().any()  # waits; ROIs are in page-locked memory
    assert matte_filter.roi(0) is None


@pytest.mark.parametrize("linked", [(True, True), (False, True), (True, False)], ids=str)
def test_smoothed_mattes_equal_the_reference(platform, linked):
    backward = [random_motion(20 + index) for index in range(3)]
    matte_filter = MatteFilter(platform, KnownMotion(platform, backward, backward), *GRID, 3, 0.5)
    alphas = [soft(index, GRID) for index in range(3)]
    for index, alpha in enumerate(alphas):
        matte_filter.alpha(index).copy_(torch.from_numpy(alpha))
    expected = alphas[2]
    for index in (1, 0):
        expected = smooth(alphas[index], expected, backward[index + 1]) if linked[index] else alphas[index]
    got = matte_filter.smooth([0, 1, 2], list(linked)).cpu().numpy()
    assert np.abs(got - expected).max() < TOLERANCE


@pytest.mark.parametrize("before, after", [(0, 2), (None, 2), (0, None), (None, None)])
def test_averaged_mattes_equal_the_reference(platform, before, after):
    forward, backward = ([random_motion(seed + index) for index in range(3)] for seed in (30, 40))
    matte_filter = MatteFilter(platform, KnownMotion(platform, forward, backward), *GRID, 3, 0.5)
    alphas = [soft(index, GRID) for index in range(3)]
    for index, alpha in enumerate(alphas):
        matte_filter.alpha(index).copy_(torch.from_numpy(alpha))
        matte_filter.smooth([index], [])
    matte_filter.average(0, None, None)
    past = [(average(alphas[0], []), forward[1])] * (before is not None)
    neighbours = past + [(alphas[2], backward[2])] * (after is not None)
    got = matte_filter.average(1, before, after).cpu().numpy()
    assert np.abs(got - average(alphas[1], neighbours)).max() < TOLERANCE


def test_resolved_mattes_equal_the_reference(platform):
    forward = [random_motion(50 + index) for index in range(2)]
    matte_filter = MatteFilter(platform, KnownMotion(platform, forward, forward), *GRID, 2, 0.5)
    alphas = [box_mean(box_mean(soft(index, GRID), 6), 6) for index in (3, 4)]
    first, second = (platform.upload(torch.from_numpy(np.ascontiguousarray(alpha))) for alpha in alphas)
    expected = resolve(alphas[0])
    assert np.abs(expected - alphas[0]).max() > 0.1
    assert np.abs(matte_filter.resolve(0, first, None).cpu().numpy() - expected).max() < TOLERANCE
    warped = smooth(alphas[1], expected, forward[1])
    expected = resolve(alphas[1], lambda: warped)
    assert np.abs(matte_filter.resolve(1, second, 0).cpu().numpy() - expected).max() < TOLERANCE
