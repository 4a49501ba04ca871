"""Flow and agreement on the card, beside their twins in streamseg.matting."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.device.cuda.motion import MotionFinder  # noqa: E402
from streamseg.matting.motion import motion_between, reversed_motion, substance  # noqa: E402

#: Pixels of flow, and parts of one of agreement: what other summation may do.
TOLERANCE = 2e-3
#: The part of the values that may differ by more: where two places explain a patch alike, rounding chooses. One does
#: so here, in 180×320, and in flow.c too once its sums are in float64.
TIES = 3e-3


def pictures(rows=90, columns=160, shift=(2, -3), seed=0):
    """A smooth picture, and the same moved by (down, across), with some noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (rows // 6 + 4, columns // 6 + 4))
    large = np.kron(coarse, np.ones((6, 6)))
    for axis in (0, 1):
        for _ in range(3):
            large = (large + np.roll(large, 1, axis) + np.roll(large, -1, axis)) / 3
    there = large[10 : 10 + rows, 10 : 10 + columns]
    here = large[10 - shift[0] : 10 - shift[0] + rows, 10 - shift[1] : 10 - shift[1] + columns]
    return [np.clip(image + rng.normal(0, 1, image.shape), 0, 255).astype(np.float32) for image in (here, there)]


def found(platform, here, there):
    finder = MotionFinder(platform, platform.stream(), *here.shape)
    finder.picture(0).copy_(torch.from_numpy(there))
    finder.find(0, 0)
    finder.picture(1).copy_(torch.from_numpy(here))
    finder.find(1, 0)
    return finder


def apart(found, expected):
    return np.quantile(np.abs(found.cpu().numpy() - expected), 1 - TIES)


@pytest.mark.parametrize("shape", [(90, 160), (61, 97), (180, 320), (20, 300), (16, 40), (8, 9)])
def test_flow_and_agreement_are_the_cpus(platform, shape):
    here, there = pictures(*shape)
    finder = found(platform, here, there)
    expected = motion_between(here, there)
    assert apart(finder.flow(1), expected.flow) < TOLERANCE
    assert apart(finder.agreement(1), expected.agreement) < TOLERANCE
    unexplained = finder.unexplained(1).cpu().numpy().astype(bool)
    assert np.array_equal(unexplained, finder.agreement(1).cpu().numpy() < 0.25)


@pytest.mark.parametrize("shape", [(90, 160), (61, 97)])
def test_the_motion_the_other_way_is_the_cpus(platform, shape):
    here, there = pictures(*shape)
    finder = found(platform, here, there)
    finder.reverse(1, 0)
    expected = reversed_motion(motion_between(here, there), there, here)
    assert apart(finder.backwards(1), expected.flow) < TOLERANCE
    assert apart(finder.backwards_agreement(1), expected.agreement) < TOLERANCE


@pytest.mark.parametrize("seed, shift", [(0, (2, -3)), (1, (0, 0)), (2, (0, 40))])
def test_the_moments_give_cut_and_substance(platform, seed, shift):
    here, there = pictures(shift=(2, -3) if shift[1] > 9 else shift, seed=seed)
    if shift[1] > 9:
        there = there[::-1].copy()
    known = found(platform, here, there).known(1)
    expected = motion_between(here, there)
    assert abs(known.agreement - expected.agreement.mean()) < TOLERANCE
    assert known.cut == expected.cut
    assert abs(known.substance - substance(here)) < 1e-3


@pytest.mark.parametrize(
    "picture, expected", [(np.full((90, 160), 77, np.float32), 0.0), (pictures()[0], 1.0)], ids=["flat", "rich"]
)
def test_a_flat_picture_has_no_substance(platform, picture, expected):
    assert found(platform, picture, picture).known(1).substance == pytest.approx(expected, abs=1e-6)
