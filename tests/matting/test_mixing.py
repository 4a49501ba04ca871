"""The saliency map and the person map as one."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.mixing import mix


def mixed(saliency, person):
    return mix(np.float32([[saliency]]), np.float32([[person]])).item()


@pytest.mark.parametrize(
    ("saliency", "person", "expected"),
    [
        (0.9, 0.5, 0.9),  # the one that is certain
        (0.5, 0.1, 0.1),
        (0.9, 0.9, 0.9),
        (1.0, 0.0, 1 / 3),  # both are certain: the person map counts twice
        (0.5, 0.5, 0.5),
    ],
)
def test_the_more_certain_map_counts_more(saliency, person, expected):
    assert mixed(saliency, person) == pytest.approx(expected, abs=0.01)


def test_a_lost_body_comes_back():
    head, person = np.zeros((224, 224), np.float32), np.zeros((256, 256), np.float32)
    head[40:110, 80:140] = 1
    person[46:, 50:200] = 1
    result = mix(head, person)
    assert result.shape == head.shape
    assert result[80, 110] == 1
    assert result[200, 110] > 0.6
    assert result[200, 20] == 0


def test_all_maps_stay_between_0_and_1():
    maps = np.random.default_rng(0).uniform(0, 1, (2, 40, 40)).astype(np.float32)
    assert 0 <= mix(*maps).min() <= mix(*maps).max() <= 1
