"""Ghosts, of made mattes whose half transparent pixels can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.metrics import ghost, ghost_of_matte

PIXELS = 80 * 120


def mask():
    """A rectangle of 40×50 pixels."""
    truth = np.zeros((80, 120), np.bool_)
    truth[20:60, 30:80] = True
    return truth


def test_a_half_transparent_body_counts_from_five_pixels_inside_its_edge():
    matte = np.where(mask(), 0.5, 0).astype(np.float32)
    # A pixel is near when the nearest one outside, at the distance of its row or column, is at most 5 away.
    assert ghost(matte, mask()) == pytest.approx(30 * 40 / PIXELS)


def test_a_ghost_in_the_background_counts_whole():
    matte = mask().astype(np.float32)
    matte[0:10, 100:120] = 0.3
    assert ghost(matte, mask()) == pytest.approx(200 / PIXELS)
    assert ghost_of_matte(matte) == pytest.approx(200 / PIXELS)


def test_without_truth_a_body_below_one_half_counts_whole_and_one_above_from_its_contour():
    faint, strong = (np.where(mask(), value, 0).astype(np.float32) for value in (0.4, 0.6))
    assert ghost_of_matte(faint) == pytest.approx(2000 / PIXELS)
    assert ghost_of_matte(strong) == pytest.approx(1200 / PIXELS)


def test_hair_and_clear_mattes_are_no_ghosts():
    truth = np.zeros((80, 120), np.float32)
    truth[:, 60:] = 1
    truth[:, 40:60] = 0.5  # a wide soft band
    assert ghost(truth, truth) == 0
    shifted = np.roll(truth, 8, axis=1)  # half transparent up to 3 pixels beyond what is near the band
    assert ghost(shifted, truth) == pytest.approx(80 * 3 / PIXELS)
    assert ghost(mask().astype(np.float32), mask()) == ghost_of_matte(mask().astype(np.float32)) == 0
    for almost in (0.1, 0.9):
        assert ghost_of_matte(np.full((80, 120), almost, np.float64)) == 0


def test_without_an_edge_everything_half_transparent_counts():
    half = np.full((80, 120), 0.4, np.float32)
    assert ghost(half, np.zeros((80, 120), np.bool_)) == ghost_of_matte(half) == 1


def test_what_is_no_matte_is_refused():
    with pytest.raises(InputError, match="same shape"):
        ghost(np.zeros((4, 4), np.float32), np.zeros((4, 5), np.bool_))
    with pytest.raises(InputError, match="0 to 1"):
        ghost_of_matte(np.full((4, 4), 2, np.float32))
