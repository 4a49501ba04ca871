"""MAE, the precision–recall curve and its maximum F-measure."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.metrics import PrecisionRecall, f_measure, mae


def square(rows=40, columns=50):
    mask = np.zeros((rows, columns), np.bool_)
    mask[10:30, 15:40] = True
    return mask


def noisy(mask, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, mask.shape)
    return ((mask * 128 + noise) // 2 / 255).astype(np.float32)


def slow_curve(saliency, mask):
    codes = np.rint(saliency * 255)
    points = []
    for threshold in range(256):
        found = codes >= threshold
        right = (found & mask).sum()
        points.append((right / max(found.sum(), 1), right / mask.sum()))
    return np.array(points).T


def test_the_maximum_of_the_mean_f_by_hand():
    """F is 1 for one image and (1.3 · .5) / (.3 · .5 + 1) for the other; F of the means is another figure."""
    truth, twice = np.zeros((4, 4), bool), np.zeros((4, 4), np.float32)
    truth[:2], twice[:] = True, 1
    curve = PrecisionRecall()
    curve.add(truth.astype(np.float32), truth)
    curve.add(twice, truth)
    assert curve.maximum_mean_f == pytest.approx((1 + 0.65 / 1.15) / 2)
    assert curve.maximum_f == pytest.approx(1.3 * 0.75 / (0.3 * 0.75 + 1))


def test_mae_by_hand():
    assert mae(np.array([[0.25, 1.0]], np.float32), np.array([[0, 1]], np.bool_)) == pytest.approx(0.125)
    assert mae(np.ones((3, 4)), np.zeros((3, 4))) == 1


def test_the_curve_is_the_mean_over_images_at_each_threshold():
    curve, images = PrecisionRecall(), [(noisy(square(), seed), np.roll(square(), seed)) for seed in range(3)]
    for saliency, mask in images:
        curve.add(saliency, mask)
    expected = np.mean([slow_curve(*image) for image in images], axis=0)
    np.testing.assert_allclose([curve.precision, curve.recall], expected, rtol=1e-12)
    assert curve.maximum_f == pytest.approx(max(1.3 * p * r / (0.3 * p + r) for p, r in expected.T if r))


def test_maximum_f_is_that_of_the_means_not_the_mean_of_maxima():
    """Two images with different best thresholds: each alone reaches 1, together they do not."""
    mask, curve = square(), PrecisionRecall()
    for inside, outside in ((1.0, 0.6), (0.4, 0.0)):
        alone, saliency = PrecisionRecall(), np.where(mask, inside, outside)
        alone.add(saliency, mask)
        assert alone.maximum_f == pytest.approx(1)
        curve.add(saliency, mask)
    # Below .4: precisions ¼ (500 of 2000 pixels) and 1, recalls 1 and 1. Above .6: 1 and 0 of both.
    low, high = f_measure((0.25 + 1) / 2, 1.0), f_measure(0.5, 0.5)
    assert curve.maximum_f == pytest.approx(max(low, high))
    assert curve.maximum_f < 0.7


def test_perfect_and_empty_maps():
    mask, perfect, empty = square(), PrecisionRecall(), PrecisionRecall()
    perfect.add(mask.astype(np.float32), mask)
    assert perfect.maximum_f == 1
    empty.add(np.zeros(mask.shape), mask)
    assert empty.maximum_f == pytest.approx(f_measure(mask.mean(), 1.0))  # at threshold 0 every pixel is positive
    assert (empty.precision[1:] == 0).all() and (empty.recall[1:] == 0).all()


def test_a_code_is_positive_at_its_own_threshold():
    curve = PrecisionRecall()
    curve.add((np.arange(256) / 255).astype(np.float32)[None], np.ones((1, 256), np.bool_))
    np.testing.assert_allclose(curve.recall, np.arange(256, 0, -1) / 256)


def test_f_of_zero_precision_and_recall_is_zero():
    assert f_measure(0.0, 0.0) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 6)),
        np.zeros((4, 5, 1)),
        np.full((4, 5), 1.01),
        np.full((4, 5), np.nan),
        np.full((4, 5), -0.1),
    ],
    ids=["codes", "shape", "channels", "above", "nan", "below"],
)
def test_arrays_that_are_no_maps_are_rejected(wrong):
    with pytest.raises(InputError, match="expected"):
        mae(wrong, np.zeros((4, 5), np.bool_))
    with pytest.raises(InputError, match="expected"):
        PrecisionRecall().add(wrong, np.zeros((4, 5), np.bool_))
