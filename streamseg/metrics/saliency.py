"""Metrics of saliency maps against masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.metrics.arrays import Floats, Mask, check_like

__all__ = ["BETA_SQUARED", "THRESHOLDS", "PrecisionRecall", "f_measure", "mae"]

#: β² of the F-measure, precision before recall (Achanta et al. 2009; Qin et al. 2020, Evaluation Metrics).
BETA_SQUARED = 0.3
#: Maps are thresholded at 0/255, 1/255, … 255/255.
THRESHOLDS = 256
# 3/255 · 255 is not always 3 in floating point.
_ROUNDING = 1e-3

Curve = NDArray[np.float64]


def mae(prediction: Floats, truth: Floats | Mask) -> float:
    """Mean absolute error (Perazzi et al. 2012, Saliency Filters).

    Args:
        prediction: floats [rows, columns] in [0, 1].
        truth: the same, or bool.

    Returns:
        In [0, 1]; 0 is perfect.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    return float(np.mean(np.abs(prediction - truth.astype(prediction.dtype)), dtype=np.float64))


def f_measure(precision: Any, recall: Any, beta_squared: float = BETA_SQUARED) -> Any:
    """F = (1 + β²)·precision·recall / (β²·precision + recall), elementwise; 0 where both are 0."""
    precision, recall = np.asarray(precision, np.float64), np.asarray(recall, np.float64)
    denominator = beta_squared * precision + recall
    return (1 + beta_squared) * precision * recall / np.where(denominator == 0, 1, denominator)


class PrecisionRecall:
    """The precision–recall curve of a set of images and its maximum F-measure.

    As in tables of saliency papers (Qin et al. 2020, Evaluation Metrics): precision and recall are averaged over the
    set at each threshold, F is computed from the averages, and its maximum is reported. A map without a pixel at or
    above a threshold has precision 0 there.
    """

    def __init__(self) -> None:
        self._precision, self._recall, self._f = (np.zeros(THRESHOLDS) for _ in range(3))
        self._count = 0

    def add(self, prediction: Floats, truth: Mask) -> None:
        """Add an image.

        Args:
            prediction: floats [rows, columns] in [0, 1]; at threshold t, pixels of at least t/255 are positive.
            truth: bool [rows, columns].

        Raises:
            InputError: other shapes, types or values.
        """
        check_like(prediction, truth)
        codes = np.floor(prediction * 255 + _ROUNDING).astype(np.uint8)
        positives = _at_least(codes)
        true_positives = _at_least(codes[truth.astype(np.bool_)])
        precision = true_positives / np.maximum(positives, 1)
        recall = true_positives / max(int(true_positives[0]), 1)
        self._precision += precision
        self._recall += recall
        self._f += f_measure(precision, recall)
        self._count += 1

    @property
    def precision(self) -> Curve:
        """Mean precision at the thresholds 0/255 … 255/255, float64 [256]."""
        return self._precision / max(self._count, 1)

    @property
    def recall(self) -> Curve:
        """Mean recall at the same thresholds, float64 [256]."""
        return self._recall / max(self._count, 1)

    @property
    def maximum_f(self) -> float:
        """Maximum over the thresholds of the F-measure of mean precision and mean recall, β² = .3; in [0, 1]."""
        return float(np.max(f_measure(self.precision, self.recall)))

    @property
    def maximum_mean_f(self) -> float:
        """Maximum over the thresholds of the mean of the images' F-measures, β² = .3; in [0, 1].

        That of tables of dichotomous image segmentation (Qin et al. 2022, and SOCToolbox, which they were made with).
        """
        return float(np.max(self._f / self._count))


def _at_least(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many codes are at least 0, 1, … 255: int64 [256]."""
    counts: NDArray[np.int64] = np.cumsum(np.bincount(codes.ravel(), minlength=THRESHOLDS)[::-1])[::-1]
    return counts
