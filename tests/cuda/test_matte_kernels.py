"""Mattes through time and at the edges on the card, beside their twins in streamseg.matting."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.device.cuda.steady import MatteMemory, Sight  # noqa: E402
from streamseg.matting.boxes import WHOLE, Box, follow, subject_box  # noqa: E402
from streamseg.matting.contour import at_contours  # noqa: E402
from streamseg.matting.looks import Look  # noqa: E402
from streamseg.matting.motion import Motion  # noqa: E402
from streamseg.matting.steady import begin, even, mix, observe, settle  # noqa: E402

GRID, PICTURE = (72, 128), (45, 80)
#: A code value of 8 bits is .0039.
TOLERANCE = 1e-3


def soft(seed, shape=(320, 320)):
    """A smooth map in [0, 1] with a clear subject."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / shape[0]
    centre = rng.uniform(0.4, 0.6, 2)
    distance = np.hypot(y - centre[0], x - centre[1])
    return np.clip(1.6 - 5 * distance + 0.2 * np.sin(9 * x + seed), 0, 1).astype(np.float32)


def motions(seed):
    rng = np.random.default_rng(seed)
    flow = (rng.normal(0, 1.5, (2, 1, 1)) + rng.normal(0, 0.3, (2, *PICTURE))).astype(np.float32)
    return Motion(flow, rng.uniform(0, 1, PICTURE).astype(np.float32))


class Moved:
    """Stands for the MotionFinder: motions that are known."""

    rows, columns = PICTURE

    def __init__(self, platform, forwards, backwards):
        tensors = [[platform.upload(torch.from_numpy(part)) for part in (m.flow, m.agreement)] for m in forwards]
        back = [[platform.upload(torch.from_numpy(part)) for part in (m.flow, m.agreement)] for m in backwards]
        self.flow, self.agreement = (lambda place, at=at: tensors[place][at] for at in range(2))
        self.backwards, self.backwards_agreement = (lambda place, at=at: back[place][at] for at in range(2))


CROP = Box(0.2, 0.1, 0.9, 0.95)
#: (box, whether the network looks, whether the scene is new, what substance the picture has)
STORY = [
    (WHOLE, True, True, 1.0),
    (CROP, True, False, 1.0),
    (WHOLE, False, False, 1.0),
    (WHOLE, True, False, 0.7),
    (Box(0.31, 0.22, 0.77, 0.81), True, False, 1.0),
    (WHOLE, True, True, 1.0),
    (CROP, True, False, 1.0),
]


@pytest.mark.parametrize("strength", [0.5, 1.0, 0.0])
def test_a_story_of_mattes_is_the_cpus(platform, strength):
    forwards = [motions(10 + place) for place in range(len(STORY))]
    memory = MatteMemory(platform, Moved(platform, forwards, forwards), *GRID, len(STORY), strength)
    expected, tracked = None, None
    for place, (box, looks, fresh, substance) in enumerate(STORY):
        saliency = soft(place)
        look = Look(box, mirrored=place % 2 == 1)
        given = saliency[:, ::-1].copy() if look.mirrored else saliency
        sight = Sight(platform.upload(torch.from_numpy(given)), look, substance) if looks else None
        memory.mix(place, place - 1 if place else 0, sight, fresh)
        seen = observe(saliency, box, GRID, substance) if looks else None
        if fresh:
            expected, tracked = begin(seen), None
        else:
            led = at_contours(forwards[place], expected.alpha)
            assert np.abs(led.flow - forwards[place].flow).max() > 0.1
            expected = mix(expected, led, seen, strength, tracked)
        tracked = follow(tracked, subject_box(expected.alpha))
        assert np.abs(memory.alpha(place).cpu().numpy() - expected.alpha).max() < TOLERANCE, place
        got = memory.tracked(place)
        sides = [
            (got.left, tracked.left),
            (got.top, tracked.top),
            (got.right, tracked.right),
            (got.bottom, tracked.bottom),
        ]
        assert max(abs(a - b) for a, b in sides) < 1.5 / min(GRID), place


def test_the_crop_follows_as_on_the_cpu(platform):
    """A subject that moves, grows, shrinks to nothing and comes back, and a new scene."""
    rows, columns = 72, 128
    story = [(20, 50, 30, 60), (22, 58, 20, 66), (30, 44, 50, 58), (0, 72, 0, 128), (40, 41, 60, 61), (5, 30, 90, 120)]
    bounds = platform.upload(torch.tensor([1 << 30, -1, 1 << 30, -1], dtype=torch.int32))
    tracked = platform.upload(torch.zeros(5, dtype=torch.float64))
    expected = None
    for fresh, (top, bottom, left, right) in [(False, each) for each in story] + [(True, story[0]), (False, story[2])]:
        alpha = np.zeros((rows, columns), np.float32)
        alpha[top:bottom, left:right] = 1
        bounds.copy_(torch.tensor([top, bottom - 1, left, right - 1], dtype=torch.int32))
        platform.launch("track", (1, 1), bounds, int(fresh), rows, columns, tracked)
        expected = follow(None if fresh else expected, subject_box(alpha))
        *sides, there = tracked.cpu().tolist()
        assert bool(there) == (expected is not None)
        if expected is not None:
            assert np.allclose(sides, [expected.left, expected.top, expected.right, expected.bottom], atol=1e-9)
        assert bounds.cpu().tolist() == [1 << 30, -1, 1 << 30, -1]


def test_an_empty_matte_is_followed_nowhere(platform):
    memory = MatteMemory(platform, Moved(platform, [motions(0)], [motions(0)]), *GRID, 1, 0.5)
    nothing = platform.upload(torch.zeros((320, 320)))
    memory.mix(0, 0, Sight(nothing, Look(), 1.0), True)
    assert memory.tracked(0) is None
    assert not memory.alpha(0).cpu().numpy().any()


@pytest.mark.parametrize("linked", [(True, True), (False, True), (True, False)], ids=str)
def test_the_look_ahead_is_the_cpus(platform, linked):
    back = [motions(20 + place) for place in range(3)]
    memory = MatteMemory(platform, Moved(platform, back, back), *GRID, 3, 0.5)
    alphas = [soft(place, GRID) for place in range(3)]
    for place, alpha in enumerate(alphas):
        memory.alpha(place).copy_(torch.from_numpy(alpha))
    expected = alphas[2]
    for place in (1, 0):
        one = SimpleNamespace(alpha=alphas[place])
        expected = settle(one, expected, back[place + 1]) if linked[place] else alphas[place]
    got = memory.settle([0, 1, 2], list(linked)).cpu().numpy()
    assert np.abs(got - expected).max() < TOLERANCE


@pytest.mark.parametrize("before, after", [(0, 2), (None, 2), (0, None), (None, None)])
def test_the_mean_with_its_neighbours_is_the_cpus(platform, before, after):
    forwards, back = ([motions(seed + place) for place in range(3)] for seed in (30, 40))
    memory = MatteMemory(platform, Moved(platform, forwards, back), *GRID, 3, 0.5)
    alphas = [soft(place, GRID) for place in range(3)]
    for place, alpha in enumerate(alphas):
        memory.alpha(place).copy_(torch.from_numpy(alpha))
        memory.settle([place], [])
    memory.even(0, None, None)
    past = [(even(alphas[0], []), forwards[1])] * (before is not None)
    neighbours = past + [(alphas[2], back[2])] * (after is not None)
    got = memory.even(1, before, after).cpu().numpy()
    assert np.abs(got - even(alphas[1], neighbours)).max() < TOLERANCE
