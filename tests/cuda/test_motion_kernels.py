"""Flow and confidence on the GPU, against the NumPy reference in streamseg.matting."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.pipelines.stages.motion import MotionEstimator  # noqa: E402

from streamseg.device.cuda.stages.motion import GPUMotionEstimator  # noqa: E402
from streamseg.matting.backend import NumPyBackend  # noqa: E402
from streamseg.matting.constants import UNEXPLAINED_CONFIDENCE  # noqa: E402
from streamseg.matting.motion.estimate import content, estimate_motion, reverse_motion  # noqa: E402

pytestmark = pytest.mark.parametrize("platform", ["late", "gpu"], indirect=True)

#: Of flow in pixels and of confidence: what another order of summation may change.
TOLERANCE = 2e-3
#: The fraction of values that may differ by more: where two positions explain a patch equally well, rounding decides.
#: That happens once here, in 180×320, and in flow.c too once its sums are in float64.
TIES = 3e-3


def images(rows=90, columns=160, shift=(2, -3), seed=0):
    """A smooth image, and the same shifted by (down, across), with some noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (rows // 6 + 4, columns // 6 + 4))
    large = np.kron(coarse, np.ones((6, 6)))
    for axis in (0, 1):
        for _ in range(3):
            large = (large + np.roll(large, 1, axis) + np.roll(large, -1, axis)) / 3
    there = large[10 : 10 + rows, 10 : 10 + columns]
    here = large[10 - shift[0] : 10 - shift[0] + rows, 10 - shift[1] : 10 - shift[1] + columns]
    return [np.clip(image + rng.normal(0, 1, image.shape), 0, 255).astype(np.float32) for image in (here, there)]


def estimated(platform, here, there, black=16):
    """An estimator with the motion to ``here`` from ``there`` at index 1."""
    stream = platform.stream()
    estimator = GPUMotionEstimator(platform, stream, *here.shape)
    with platform.on(stream):
        for index, image in enumerate((there, here)):
            estimator.luma(index).copy_(torch.from_numpy(image))
            estimator.estimate(index, black)
    stream.synchronize()
    return estimator


def reference(here, there, black=16):
    """The motion as frames on the CPU have it: without changes of brightness."""
    return MotionEstimator(here.shape[1], NumPyBackend())._motion(here, there, black)


def largest_difference(got, expected):
    """Without the ties."""
    return np.quantile(np.abs(got.cpu().numpy() - expected), 1 - TIES)


@pytest.mark.parametrize("shape", [(90, 160), (61, 97), (180, 320), (20, 300), (16, 40), (8, 9)])
def test_flow_and_confidence_equal_the_reference(platform, shape):
    here, there = images(*shape)
    estimator = estimated(platform, here, there)
    expected = reference(here, there)
    assert largest_difference(estimator.flow(1), expected.flow) < TOLERANCE
    assert largest_difference(estimator.confidence(1), expected.confidence) < TOLERANCE
    unexplained = estimator.unexplained(1).cpu().numpy().astype(bool)
    assert np.array_equal(unexplained, estimator.confidence(1).cpu().numpy() < UNEXPLAINED_CONFIDENCE)


ROWS = np.arange(90)


@pytest.mark.parametrize(
    "gains, black",
    [(1 + 0.1 * np.sin(ROWS / 9), 16), (np.full(90, 1.3), 16), (np.full(90, 0.75), 0), (1 + 0.06 * (ROWS > 40), 16)],
    ids=["flicker", "exposure", "full range", "half"],
)
def test_a_change_of_brightness_is_no_motion(platform, gains, black):
    """The brightness is measured on the GPU, and again along the second flow where the first was too wrong."""
    here, there = (20 + 0.6 * image for image in images())
    here = ((here - black) * gains.astype(np.float32)[:, None] + black).astype(np.float32)
    expected = reference(here, there, black)
    assert expected.confidence.mean() > estimate_motion(here, there).confidence.mean() + 0.02
    estimator = estimated(platform, here, there, black)
    assert largest_difference(estimator.flow(1), expected.flow) < TOLERANCE
    assert largest_difference(estimator.confidence(1), expected.confidence) < TOLERANCE
    assert abs(estimator.statistics(1).confidence - expected.confidence.mean()) < TOLERANCE


@pytest.mark.parametrize("shape", [(90, 160), (61, 97)])
def test_the_motion_back_equals_the_reference(platform, shape):
    here, there = images(*shape)
    estimator = estimated(platform, here, there)
    estimator.reverse(1, 0)
    expected = reverse_motion(reference(here, there), there, here)
    assert largest_difference(estimator.backward_flow(1), expected.flow) < TOLERANCE
    assert largest_difference(estimator.backward_confidence(1), expected.confidence) < TOLERANCE


@pytest.mark.parametrize("seed, shift", [(0, (2, -3)), (1, (0, 0)), (2, (0, 40))])
def test_statistics_give_scene_cuts_and_content(platform, seed, shift):
    here, there = images(shift=(2, -3) if shift[1] > 9 else shift, seed=seed)
    if shift[1] > 9:
        there = there[::-1].copy()
    statistics = estimated(platform, here, there).statistics(1)
    expected = reference(here, there)
    assert abs(statistics.confidence - expected.confidence.mean()) < TOLERANCE
    assert statistics.cut == expected.cut
    assert abs(statistics.content - content(here)) < 1e-3


@pytest.mark.parametrize(
    "image, expected", [(np.full((90, 160), 77, np.float32), 0.0), (images()[0], 1.0)], ids=["flat", "textured"]
)
def test_only_a_flat_image_has_no_content(platform, image, expected):
    assert estimated(platform, image, image).statistics(1).content == pytest.approx(expected, abs=1e-6)
