"""Metrics of boundaries."""

from __future__ import annotations

import numpy as np

from streamseg.metrics.arrays import Floats, Mask, check_like
from streamseg.metrics.morphology import contour, dilate, inner_boundary
from streamseg.metrics.saliency import BETA_SQUARED, f_measure

__all__ = ["boundary_f", "relaxed_boundary_f"]


def boundary_f(prediction: Floats | Mask, truth: Floats | Mask, tolerance: int) -> float:
    """F-measure of contours: the fraction of each that lies within ``tolerance`` pixels of the other.

    The measure F (contour accuracy) of DAVIS (Perazzi et al. 2016, after Martin et al. 2004), whose benchmark matches
    by dilation with a disc; its default tolerance is .008 of the diagonal, 8 pixels at 480p.

    Args:
        prediction, truth: floats [rows, columns] in [0, 1], thresholded at one half, or bool.
        tolerance: pixels, Euclidean.

    Returns:
        In [0, 1]; 1 where neither has a contour, 0 where only one has.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    return _matched(contour(_thresholded(prediction)), contour(_thresholded(truth)), tolerance, 1.0)


def relaxed_boundary_f(prediction: Floats | Mask, truth: Floats | Mask, tolerance: int = 3) -> float:
    """Relaxed boundary F-measure, the relaxF of boundaries in the tables of BASNet and U²-Net, of one image.

    Relaxed precision and recall (Ehrig and Euzenat 2005) of one-pixel boundaries: the exclusive or of a mask and its
    erosion, here by a cross of 3×3 pixels (Qin et al. 2019 and 2020, Evaluation Metrics; neither gives the structuring
    element). β² is .3. Tables give the mean over images.

    Args:
        prediction, truth: floats [rows, columns] in [0, 1], thresholded at one half, or bool.
        tolerance: the slack ρ in pixels, Euclidean.

    Returns:
        In [0, 1]; 1 where neither has a boundary, 0 where only one has.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    predicted, true = inner_boundary(_thresholded(prediction)), inner_boundary(_thresholded(truth))
    return _matched(predicted, true, tolerance, BETA_SQUARED)


def _thresholded(image: Floats | Mask) -> Mask:
    mask: Mask = image >= 0.5
    return mask


def _matched(predicted: Mask, true: Mask, tolerance: int, beta_squared: float) -> float:
    predicted_count, true_count = np.count_nonzero(predicted), np.count_nonzero(true)
    if not predicted_count or not true_count:
        return float(predicted_count == true_count)
    precision = np.count_nonzero(predicted & dilate(true, tolerance)) / predicted_count
    recall = np.count_nonzero(true & dilate(predicted, tolerance)) / true_count
    return float(f_measure(precision, recall, beta_squared))
