"""Human correction efforts: of masks whose corrections can be counted, and against PySODMetrics."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.metrics.correction import human_correction_efforts
from streamseg.metrics.sod import import_py_sod_metrics


def square(top, left, side, mask=None):
    mask = np.zeros((120, 160), bool) if mask is None else mask
    mask[top : top + side, left : left + side] = True
    return mask


def test_a_perfect_mask_needs_no_click():
    assert human_correction_efforts(square(30, 40, 50).astype(np.float32), square(30, 40, 50)) == 0


@pytest.mark.parametrize(("top", "left", "side"), [(33, 43, 44), (28, 38, 54)])
def test_an_edge_that_is_a_little_off_is_forgiven(top, left, side):
    assert human_correction_efforts(square(top, left, side).astype(np.float32), square(30, 40, 50)) == 0


def test_something_too_much_beside_the_subject_is_one_click():
    truth = square(30, 20, 50)
    assert human_correction_efforts(square(30, 110, 30, truth.copy()), truth) == 1
    both = square(85, 100, 30, square(10, 100, 30, truth.copy()))
    assert human_correction_efforts(both, truth) == 2


def test_a_hole_that_was_filled_is_a_polygon_of_its_corners():
    """Four corners, and the end of the line, beside its beginning."""
    truth = square(20, 40, 80)
    truth[45:75, 65:95] = False
    assert human_correction_efforts(square(20, 40, 80), truth) == 5


def test_what_is_missing_is_a_polygon():
    """A part that is missing is drawn around, though it touches nothing; one that is too much is a single click."""
    truth = square(10, 10, 30, square(10, 100, 40))
    clicks = human_correction_efforts(square(10, 100, 40), truth)
    assert 4 <= clicks <= 20  # the relaxed square has cut corners
    assert clicks > human_correction_efforts(square(10, 10, 30, square(10, 100, 40)), square(10, 100, 40)) == 1


def test_the_skeleton_of_what_is_thin_is_not_forgiven():
    truth = square(30, 20, 50)
    truth[54:57, 70:150] = True
    without = square(30, 20, 50)
    assert human_correction_efforts(without, truth) > 0
    assert human_correction_efforts(truth, without) == 0  # something thin too much is


def blobs(seed, shape=(90, 130)):
    rng = np.random.default_rng(seed)
    coarse = rng.random((9, 13))
    smooth = np.kron(coarse, np.ones((10, 10))) + 0.3 * rng.random(shape)
    return smooth > 0.75


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_pysodmetrics(seed):
    truth, prediction = blobs(seed), blobs(seed) ^ (blobs(seed + 20) & blobs(seed + 40))
    theirs = import_py_sod_metrics().HumanCorrectionEffortMeasure()
    theirs.step(prediction.astype(np.float64), truth, normalize=False)
    expected = theirs.get_results()["hce"]
    assert expected > 50
    assert human_correction_efforts(prediction, truth) == expected


def test_maps_are_cut_as_codes_above_128():
    truth = square(30, 40, 50)
    assert human_correction_efforts(truth * np.float32(129 / 255), truth) == 0
    assert human_correction_efforts(truth * np.float32(128 / 255), truth) > 0


def test_empty_masks():
    nothing = np.zeros((50, 60), bool)
    assert human_correction_efforts(nothing, nothing) == 0
    assert human_correction_efforts(square(30, 40, 50) & False, square(30, 40, 50)) > 3


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match="expected the same shape"):
        human_correction_efforts(np.zeros((5, 5)), np.zeros((5, 6), bool))
