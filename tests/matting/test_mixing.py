"""The person map completes near people, and changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.mixing import mix


def rectangle(top: float, bottom: float, left: float, right: float, size: int = 64) -> np.ndarray:
    image = np.zeros((size, size), np.float32)
    image[round(top * size) : round(bottom * size), round(left * size) : round(right * size)] = 1
    return image


def test_a_lost_body_comes_back():
    """The head floats; the person map, on another grid, has all of it."""
    head, person = rectangle(0.1, 0.6, 0.3, 0.7), rectangle(0.1, 1, 0.3, 0.7, size=128)
    mixed = mix(head, person)
    assert mixed.shape == head.shape and mixed.dtype == np.float32
    assert mixed[50, 32] > 0.575  # shown as more than half opaque
    assert mixed[20, 32] > 0.99 and mixed[50, 5] == 0


def test_where_both_are_uncertain_they_are_averaged_and_certainty_wins():
    saliency = np.full((64, 64), 0.6, np.float32)
    certain, uncertain = np.ones_like(saliency), np.full_like(saliency, 0.7)
    assert mix(saliency, certain).mean() > 0.98
    assert 0.65 < mix(saliency, uncertain).mean() < 0.7


@pytest.mark.parametrize(
    ("person", "covered"),
    [
        (rectangle(0, 0, 0, 0), 1.0),
        (rectangle(0.4, 0.65, 0.4, 0.7), 1.0),
        (rectangle(0, 1, 0.8, 1), 1.0),
        (rectangle(0, 1, 0.3, 0.8), 0.15),
    ],
    ids=["nobody", "far", "another subject", "far, seen closely"],
)
def test_otherwise_the_saliency_map_stays(person, covered):
    saliency = rectangle(0.2, 0.8, 0.2, 0.6)
    assert np.array_equal(mix(saliency, person, covered), saliency)


def test_maps_stay_within_limits():
    rng = np.random.default_rng(0)
    mixed = mix(rng.random((40, 40), np.float32), rng.random((64, 64), np.float32))
    assert mixed.min() >= 0 and mixed.max() <= 1
