"""The temporal filter: observations of a matte, its state, and updates of the state."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.constants import SALIENCY_HIGH, SALIENCY_LOW
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.temporal.filter import Observation, grid_shape, initialise, observe, roi_cells, update
from streamseg.matting.tracking.roi import FULL_FRAME, ROI

SHAPE = (40, 60)
EMPTY = np.zeros(SHAPE, np.float32)
SQUARE = EMPTY.copy()
SQUARE[10:30, 20:40] = 1


def motion_of(across=0.0, down=0.0, confidence=1.0, shape=SHAPE):
    """The motion of a frame whose content moved right and down by that many pixels."""
    flow = np.empty((2, *shape), np.float32)
    flow[0], flow[1] = -across, -down
    return Motion(flow, np.broadcast_to(np.float32(confidence), shape).astype(np.float32))


def observation_of(alpha, roi=FULL_FRAME):
    return Observation(alpha.astype(np.float32)[roi_cells(roi, SHAPE)], roi, SHAPE)


def filtered(observations, strength, motion=None):
    """The mattes of a scene after its first frame, float32 [frames, rows, columns], and the last state."""
    observations = iter(observations)
    state = initialise(next(observations))
    mattes = []
    for observation in observations:
        state = update(state, motion or motion_of(), observation, strength, None)
        mattes.append(state.alpha)
    return np.array(mattes), state


@pytest.mark.parametrize(
    "size, shape",
    [((1920, 1080), (288, 512)), ((1080, 1920), (512, 288)), ((320, 240), (240, 320)), ((3000, 10), (8, 512))],
)
def test_the_grid_has_the_frames_proportions_and_at_most_its_size(size, shape):
    assert grid_shape(*size) == shape


def test_a_saliency_map_of_the_full_frame_fills_the_grid():
    observation = observe(np.full((32, 32), 0.6, np.float32), FULL_FRAME, SHAPE, levels=(0.2, 1.0))
    assert observation.alpha.shape == SHAPE
    assert np.allclose(observation.alpha, 0.5, atol=1e-6)
    assert np.all(initialise(observation).weight == 1)


@pytest.mark.parametrize(
    "roi", [FULL_FRAME, ROI(0.25, 0.5, 0.75, 1.0), ROI(0.21, 0.13, 0.83, 0.71), ROI(0.0, 0.1, 0.33, 0.9)]
)
def test_a_saliency_map_is_placed_in_its_roi(roi):
    """A ramp across the ROI, or down, is the same ramp on the grid, to a tenth of a cell."""
    rows, columns = 45, 80
    ramp = np.broadcast_to((np.arange(64, dtype=np.float32) + 0.5) / 64, (64, 64))
    left, top, right, bottom = roi.pixels(columns, rows)
    inside = np.s_[top + 1 : bottom - 1, left + 1 : right - 1]
    across = initialise(observe(ramp, roi, (rows, columns), levels=(0.0, 1.0)))
    expected = ((np.arange(columns) + 0.5) / columns - roi.left) / (roi.right - roi.left)
    assert np.abs(across.alpha - expected)[inside].max() < 0.1 / (right - left)
    down = initialise(observe(ramp.T, roi, (rows, columns), levels=(0.0, 1.0)))
    expected = ((np.arange(rows) + 0.5) / rows - roi.top) / (roi.bottom - roi.top)
    assert np.abs(down.alpha - expected[:, None])[inside].max() < 0.1 / (bottom - top)
    outside = np.ones((rows, columns), bool)
    outside[top:bottom, left:right] = False
    assert not across.alpha[outside].any()
    assert not across.weight[outside].any()
    assert np.all(across.weight[~outside] == 1)


def test_a_salient_quarter_of_the_roi_is_that_quarter_on_the_grid():
    saliency = np.zeros((32, 32), np.float32)
    saliency[:16, 16:] = 1
    alpha = initialise(observe(saliency, ROI(0.5, 0.0, 1.0, 0.5), (40, 80))).alpha
    expected = np.zeros((40, 80), np.float32)
    expected[:10, 60:] = 1
    assert np.abs(alpha - expected).mean() < 0.005
    assert np.array_equal(alpha > 0.5, expected > 0.5)


def test_saliency_levels_and_content():
    saliency = np.full((8, 8), (SALIENCY_LOW + SALIENCY_HIGH) / 2, np.float32)
    assert np.allclose(observe(saliency, FULL_FRAME, SHAPE).alpha, 0.5, atol=1e-5)
    assert not observe(np.full((8, 8), SALIENCY_LOW, np.float32), FULL_FRAME, SHAPE).alpha.any()
    assert np.allclose(observe(np.full((8, 8), SALIENCY_HIGH, np.float32), FULL_FRAME, SHAPE).alpha, 1)
    without_content = observe(np.ones((8, 8), np.float32), FULL_FRAME, SHAPE, content=0.0)
    assert not without_content.alpha.any()
    assert np.all(initialise(without_content).weight == 1)


def flickering():
    """40 observed mattes whose alpha changes by ±0.25 at random."""
    rng = np.random.default_rng(1)
    edge = np.abs(SQUARE - 0.25)
    return [np.clip(edge + rng.choice([-0.25, 0.25], SHAPE), 0, 1).astype(np.float32) for _ in range(40)]


def test_flicker_in_a_still_scene_decreases_with_the_strength():
    frames = flickering()
    observations = [observation_of(frame) for frame in frames]
    observed = np.var(frames[11:], axis=0).mean()
    remaining = [np.var(filtered(observations, strength)[0][10:], axis=0).mean() for strength in (0.25, 0.5, 1)]
    assert remaining[0] < observed / 5
    assert remaining[2] < remaining[1] < remaining[0]
    mean = filtered(observations, 0.5)[0][10:].mean(0)
    assert np.abs(mean - np.mean(frames, axis=0)).mean() < 0.06


def test_at_strength_0_a_matte_is_its_observation():
    frames = flickering()
    assert np.allclose(filtered(map(observation_of, frames), 0.0)[0], frames[1:], atol=1e-5)


@pytest.mark.parametrize("shape", [SHAPE, (20, 30)])
def test_a_moving_subject_is_warped_without_a_trail(shape):
    """Without observations; the motion may be known at another resolution."""
    scale = shape[0] / SHAPE[0]
    observations = [observation_of(SQUARE), *[None] * 5]
    mattes, _ = filtered(observations, 0.5, motion_of(3 * scale, 1 * scale, shape=shape))
    for steps, matte in enumerate(mattes, 1):
        assert np.allclose(matte, np.roll(SQUARE, (steps, 3 * steps), (0, 1)), atol=1e-4)


def test_where_the_flow_has_no_confidence_the_observation_is_taken_at_once():
    _, state = filtered(map(observation_of, [SQUARE] * 10), 1.0)
    confidence = np.ones(SHAPE, np.float32)
    confidence[:, 30:] = 0
    alpha = update(state, motion_of(confidence=confidence), observation_of(EMPTY), 1.0, None).alpha
    assert np.abs(alpha[:, 30:]).max() < 1e-4
    assert alpha[10:30, 20:30].min() > 0.5


@pytest.mark.parametrize("first, then", [(EMPTY, SQUARE), (SQUARE, EMPTY)])
def test_a_new_or_lost_subject_fades_and_does_not_flash(first, then):
    """In place, where the flow says that nothing changed."""
    mattes, _ = filtered(map(observation_of, [first] * 10 + [then] * 60), 0.5)
    change = np.abs(mattes[9:, 20, 30] - first[20, 30])
    assert 0 < change[0] < 0.2
    assert np.all(np.diff(change) > -1e-6)
    assert change[-1] > 0.95
    assert np.abs(mattes[:, :4]).max() < 0.02


def test_an_observation_has_less_weight_the_more_it_contradicts_the_state():
    """A subject that is missing for one frame hardly shows; a small change of alpha is taken over sooner."""
    state = filtered(map(observation_of, [SQUARE] * 10), 0.5)[1]
    gains = []
    for observed in (0.9, 0.0):
        alpha = update(state, motion_of(), observation_of(observed * SQUARE), 0.5, None).alpha
        gains.append((1 - alpha[20, 30]) / (1 - observed))
    assert 0 < gains[1] < 0.5 * gains[0]


def test_a_matte_outside_the_roi_fades_out():
    observation = observation_of(SQUARE, ROI(0.5, 0.0, 1.0, 1.0))
    mattes, _ = filtered([observation_of(SQUARE), *[observation] * 20], 0.5)
    left, right = mattes[:, 12:28, 22:28].mean((1, 2)), mattes[:, 12:28, 32:38].mean((1, 2))
    assert left[0] > 0.5
    assert np.all(np.diff(left) < 0)
    assert left[-1] < 0.05
    assert right.min() > 0.99


def test_an_observation_of_the_full_frame_has_less_weight_inside_the_roi():
    _, state = filtered(map(observation_of, [SQUARE] * 5), 0.5)
    roi = ROI(0.0, 0.0, 0.5, 1.0)
    alpha = update(state, motion_of(), observation_of(EMPTY), 0.5, roi).alpha
    assert alpha[20, 29] > alpha[20, 30]
    assert np.abs(alpha[20, 22:29] - alpha[20, 37:30:-1]).min() > 0.005


def test_an_update_leaves_the_state_before_unchanged():
    state = initialise(observation_of(SQUARE))
    update(state, motion_of(2), observation_of(EMPTY), 0.5, FULL_FRAME)
    assert np.array_equal(state.alpha, SQUARE)
    assert np.all(state.weight == 1)
