"""What is remembered of a matte, what is seen of it, and the two together."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.boxes import WHOLE, Box
from streamseg.matting.motion import Motion
from streamseg.matting.sharp import levelled
from streamseg.matting.steady import (
    LEVELS,
    LIMITS,
    Memory,
    Observation,
    begin,
    cells_of,
    even,
    mix,
    observe,
    settle,
    working_size,
)

SHAPE = (40, 60)
EMPTY = np.zeros(SHAPE, np.float32)
SQUARE = EMPTY.copy()
SQUARE[10:30, 20:40] = 1


def moving(across=0.0, down=0.0, agreement=1.0, shape=SHAPE):
    """The motion of a picture that went right and down."""
    flow = np.empty((2, *shape), np.float32)
    flow[0], flow[1] = -across, -down
    return Motion(flow, np.broadcast_to(np.float32(agreement), shape).astype(np.float32))


def remembered(alpha):
    """As after one sight of the whole."""
    return Memory(np.stack((alpha, np.ones(SHAPE, np.float32))))


def seen(alpha, box=WHOLE):
    return Observation(alpha.astype(np.float32)[cells_of(box, SHAPE)], box, SHAPE)


def after(frames, strength, motion=None, memory=None):
    """Every matte of a scene."""
    frames = iter(frames)
    memory = memory or begin(next(frames))
    mattes = []
    for observation in frames:
        memory = mix(memory, motion or moving(), observation, strength, None)
        mattes.append(memory.alpha)
    return np.array(mattes), memory


@pytest.mark.parametrize(
    "size, shape",
    [((1920, 1080), (288, 512)), ((1080, 1920), (512, 288)), ((320, 240), (240, 320)), ((3000, 10), (8, 512))],
)
def test_the_grid_has_the_frames_shape_and_is_never_larger(size, shape):
    assert working_size(*size) == shape


def test_a_map_of_the_whole_frame_fills_the_grid():
    observation = observe(np.full((32, 32), 0.6, np.float32), WHOLE, SHAPE, levels=(0.2, 1.0))
    assert observation.alpha.shape == SHAPE
    assert np.allclose(observation.alpha, 0.5, atol=1e-6)
    assert np.all(begin(observation).weight == 1)


@pytest.mark.parametrize(
    "box", [WHOLE, Box(0.25, 0.5, 0.75, 1.0), Box(0.21, 0.13, 0.83, 0.71), Box(0.0, 0.1, 0.33, 0.9)]
)
def test_a_map_lands_in_its_box(box):
    """A map that rises evenly across, or down, its box does so on the grid, to a tenth of a cell."""
    rows, columns = 45, 80
    slope = np.broadcast_to((np.arange(64, dtype=np.float32) + 0.5) / 64, (64, 64))
    left, top, right, bottom = box.pixels(columns, rows)
    inside = np.s_[top + 1 : bottom - 1, left + 1 : right - 1]
    across = begin(observe(slope, box, (rows, columns), levels=(0.0, 1.0)))
    places = ((np.arange(columns) + 0.5) / columns - box.left) / (box.right - box.left)
    assert np.abs(across.alpha - places)[inside].max() < 0.1 / (right - left)
    down = begin(observe(slope.T, box, (rows, columns), levels=(0.0, 1.0)))
    places = ((np.arange(rows) + 0.5) / rows - box.top) / (box.bottom - box.top)
    assert np.abs(down.alpha - places[:, None])[inside].max() < 0.1 / (bottom - top)
    outside = np.ones((rows, columns), bool)
    outside[top:bottom, left:right] = False
    assert not across.alpha[outside].any()
    assert not across.weight[outside].any()
    assert np.all(across.weight[~outside] == 1)


def test_a_bright_quarter_of_the_crop_is_that_quarter_of_it():
    saliency = np.zeros((32, 32), np.float32)
    saliency[:16, 16:] = 1
    alpha = begin(observe(saliency, Box(0.5, 0.0, 1.0, 0.5), (40, 80))).alpha
    expected = np.zeros((40, 80), np.float32)
    expected[:10, 60:] = 1
    assert np.abs(alpha - expected).mean() < 0.005
    assert np.array_equal(alpha > 0.5, expected > 0.5)


def test_levels_and_substance():
    saliency = np.full((8, 8), (LEVELS[0] + LEVELS[1]) / 2, np.float32)
    assert np.allclose(observe(saliency, WHOLE, SHAPE).alpha, 0.5, atol=1e-5)
    assert not observe(np.full((8, 8), LEVELS[0], np.float32), WHOLE, SHAPE).alpha.any()
    assert np.allclose(observe(np.full((8, 8), LEVELS[1], np.float32), WHOLE, SHAPE).alpha, 1)
    nothing = observe(np.ones((8, 8), np.float32), WHOLE, SHAPE, substance=0.0)
    assert not nothing.alpha.any()
    assert np.all(begin(nothing).weight == 1)


def flickering():
    rng = np.random.default_rng(1)
    edge = np.abs(SQUARE - 0.25)
    return [np.clip(edge + rng.choice([-0.25, 0.25], SHAPE), 0, 1).astype(np.float32) for _ in range(40)]


def test_a_still_scene_that_flickers_gets_steadier_the_more_the_past_counts():
    frames = flickering()
    noise = np.var(frames[11:], axis=0).mean()
    left = [np.var(after(map(seen, frames), strength)[0][10:], axis=0).mean() for strength in (0.25, 0.5, 1)]
    assert left[0] < noise / 5
    assert left[2] < left[1] < left[0]
    mean = after(map(seen, frames), 0.5)[0][10:].mean(0)
    assert np.abs(mean - np.mean(frames, axis=0)).mean() < 0.06


def test_without_strength_a_matte_is_what_was_seen():
    frames = flickering()
    assert np.allclose(after(map(seen, frames), 0.0)[0], frames[1:], atol=1e-5)


@pytest.mark.parametrize("shape", [SHAPE, (20, 30)])
def test_a_moving_subject_is_carried_without_a_trail(shape):
    """The network does not look; the motion may be known on another grid."""
    part = shape[0] / SHAPE[0]
    mattes, _ = after([seen(SQUARE), *[None] * 5], 0.5, moving(3 * part, 1 * part, shape=shape))
    for steps, matte in enumerate(mattes, 1):
        assert np.allclose(matte, np.roll(SQUARE, (steps, 3 * steps), (0, 1)), atol=1e-4)


def test_where_the_motion_explains_nothing_the_sight_rules_at_once():
    _, memory = after(map(seen, [SQUARE] * 10), 1.0)
    agreement = np.ones(SHAPE, np.float32)
    agreement[:, 30:] = 0
    mixed = mix(memory, moving(agreement=agreement), seen(EMPTY), 1.0, None).alpha
    assert np.abs(mixed[:, 30:]).max() < 1e-4
    assert mixed[10:30, 20:30].min() > 0.5


@pytest.mark.parametrize("first, then", [(EMPTY, SQUARE), (SQUARE, EMPTY)])
def test_a_new_or_lost_subject_fades_and_does_not_flash(first, then):
    """In place, where the motion says that nothing changed."""
    mattes, _ = after(map(seen, [first] * 10 + [then] * 60), 0.5)
    way = np.abs(mattes[9:, 20, 30] - first[20, 30])
    assert 0 < way[0] < 0.2
    assert np.all(np.diff(way) > -1e-6)
    assert way[-1] > 0.95
    assert np.abs(mattes[:, :4]).max() < 0.02


def test_a_sight_counts_less_the_more_it_contradicts():
    """A whole subject gone for one frame hardly shows; a slightly other shade is taken over sooner."""
    memory = after(map(seen, [SQUARE] * 10), 0.5)[1]
    ways = []
    for seen_now in (0.9, 0.0):
        alpha = mix(memory, moving(), seen(seen_now * SQUARE), 0.5, None).alpha
        ways.append((1 - alpha[20, 30]) / (1 - seen_now))
    assert 0 < ways[1] < 0.5 * ways[0]


def test_what_is_outside_of_the_crop_fades_out():
    crop = Box(0.5, 0.0, 1.0, 1.0)
    sight = seen(SQUARE, crop)
    mattes, _ = after([seen(SQUARE), *[sight] * 20], 0.5)
    left, right = mattes[:, 12:28, 22:28].mean((1, 2)), mattes[:, 12:28, 32:38].mean((1, 2))
    assert left[0] > 0.5
    assert np.all(np.diff(left) < 0)
    assert left[-1] < 0.05
    assert right.min() > 0.99


def test_a_look_at_the_whole_counts_less_where_the_subject_is_tracked():
    _, memory = after(map(seen, [SQUARE] * 5), 0.5)
    tracked = Box(0.0, 0.0, 0.5, 1.0)
    alpha = mix(memory, moving(), seen(EMPTY), 0.5, tracked).alpha
    assert alpha[20, 29] > alpha[20, 30]
    assert np.abs(alpha[20, 22:29] - alpha[20, 37:30:-1]).min() > 0.005


def test_the_past_is_left_as_it_was():
    memory = begin(seen(SQUARE))
    mix(memory, moving(2), seen(EMPTY), 0.5, WHOLE)
    settle(memory, EMPTY, moving())
    assert np.array_equal(memory.alpha, SQUARE)
    assert np.all(memory.weight == 1)


def test_the_later_matte_counts_where_it_explains_this_frame():
    agreement = np.ones(SHAPE, np.float32)
    agreement[:, 30:] = 0
    memory = remembered(EMPTY)
    later = np.roll(SQUARE, 4, axis=1)
    settled = settle(memory, later, moving(-4, agreement=agreement))
    assert np.allclose(settled[:, :30], SQUARE[:, :30], atol=1e-5)
    assert np.allclose(settled[:, 30:], 0, atol=1e-5)


def test_the_mean_takes_neighbours_where_the_motion_explains_this_frame():
    agreement = np.ones(SHAPE, np.float32)
    agreement[:, 30:] = 0
    neighbours = [(np.roll(SQUARE, by, axis=1), moving(-by, agreement=agreement)) for by in (4, -2)]
    evened, clear, solid = even(EMPTY, neighbours), *LIMITS
    assert np.allclose(evened[:, 6:30], np.where(SQUARE > 0, (clear + 4 * solid) / 5, clear)[:, 6:30], atol=1e-5)
    assert np.allclose(evened[:, 30:], clear, atol=1e-5)
    assert np.array_equal(even(SQUARE, []), np.clip(SQUARE, clear, solid))
    doubtful = even(EMPTY, [(SQUARE, moving(agreement=np.full(SHAPE, 0.25, np.float32)))])
    assert np.allclose(doubtful, np.where(SQUARE > 0, (clear + solid) / 2, clear), atol=1e-5)


def test_the_mean_is_of_mattes_as_they_are_shown():
    haze, still = np.full(SHAPE, 0.08, np.float32), moving()
    assert not levelled(even(EMPTY, [(haze, still), (haze, still)])).any()
    assert np.allclose(levelled(even(haze, [(SQUARE, still), (SQUARE, still)])), SQUARE * 0.8, atol=1e-4)
    doubtful = np.random.default_rng(1).random(SHAPE, np.float32)
    alike = levelled(even(SQUARE, [(SQUARE, moving(agreement=part)) for part in (doubtful, doubtful**2)]))
    assert np.array_equal(alike, SQUARE), "clear and solid are so exactly, up to rounding costs time"
