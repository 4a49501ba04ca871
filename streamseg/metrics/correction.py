"""Human correction efforts (HCE): how many clicks it takes to correct a mask by hand.

Qin et al. 2022, Highly Accurate Dichotomous Image Segmentation, section 5, and the code of its authors
(github.com/xuebinqin/DIS, hce_metric_main.py). OpenCV and scikit-image come with PySODMetrics (extra ``evaluate``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.metrics.arrays import Floats, Mask, check_like

__all__ = ["human_correction_efforts"]

Bytes = NDArray[np.uint8]
Points = NDArray[np.int32]

# Where authors cut maps of 8 bits: above this code value.
_THRESHOLD = 128
_ROUNDING = 1e-3
# The unit disk, by which everything is eroded and dilated.
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def human_correction_efforts(prediction: Floats | Mask, truth: Mask, relax: int = 5, epsilon: float = 2.0) -> int:
    """Clicks that it takes to correct a mask: vertices of polygons around wrong regions, and one for each other region.

    Wrong regions are those that remain when what is within ``relax`` pixels of the right place is forgiven; of what is
    missing, the skeleton always remains. Where a wrong region meets what is right, its boundary must be drawn: a click
    for each vertex of a polygon (Ramer–Douglas–Peucker). One that touches nothing takes a single click.

    Args:
        prediction: floats [rows, columns] in [0, 1], cut as codes of 8 bits above 128, or bool.
        truth: bool [rows, columns].
        relax: γ of the paper, in pixels.
        epsilon: largest distance of the polygon from the boundary, in pixels.

    Returns:
        0 or more; 0 is perfect.

    Raises:
        InputError: other shapes, types or values.
        ImportError: OpenCV or scikit-image is not installed.
    """
    import cv2
    from skimage.morphology import skeletonize

    check_like(prediction, truth)
    true, predicted = truth.astype(np.uint8), _cut(prediction)
    right = true & predicted
    too_much, missing = predicted & ~right, true & ~right
    core: Bytes = np.asarray(cv2.erode(true | predicted, _CROSS, iterations=relax), np.uint8)
    too_much = _relaxed(cv2, too_much, core, true, relax)
    missing = _relaxed(cv2, missing, core, predicted, relax)
    skeleton: Any = skeletonize
    missing |= skeleton(truth).astype(np.uint8) & ~right
    anything = right | too_much | missing
    clicks = _clicks(cv2, too_much, right | missing, epsilon)
    return clicks + _clicks(cv2, missing, 1 - anything, epsilon)


def _cut(prediction: Floats | Mask) -> Bytes:
    if prediction.dtype == np.bool_:
        return np.asarray(prediction, np.uint8)
    return np.asarray(np.floor(prediction * 255 + _ROUNDING) > _THRESHOLD, np.uint8)


def _relaxed(cv2: Any, wrong: Bytes, core: Bytes, other: Bytes, relax: int) -> Bytes:
    """The parts of ``wrong`` that reach into ``core``, grown again as far as ``other`` lets them."""
    grown = wrong & core
    for _ in range(relax):
        grown = cv2.dilate(grown, _CROSS) & ~other
    return np.asarray(wrong & grown)


def _clicks(cv2: Any, wrong: Bytes, beside: Bytes, epsilon: float) -> int:
    """For wrong regions: vertices of their boundaries to ``beside``, and one for each region without any."""
    count, labels = cv2.connectedComponents(wrong, connectivity=8)
    if count == 1:
        return 0
    contours, _ = cv2.findContours(wrong, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    lengths = [len(contour) for contour in contours]
    points = np.concatenate(contours).reshape(-1, 2)
    x, y = points.T
    first = np.zeros(len(points), np.bool_)  # contours come by thin places twice
    first[np.unique(y.astype(np.int64) * wrong.shape[1] + x, return_index=True)[1]] = True
    drawn = first & cv2.dilate(beside, _CROSS)[y, x].astype(np.bool_)
    touching = np.unique(labels[y[drawn], x[drawn]])
    clicks = count - 1 - len(touching)
    ends = np.cumsum(lengths)[:-1]
    for contour, part in zip(np.split(points, ends), np.split(drawn, ends), strict=True):
        clicks += sum(len(cv2.approxPolyDP(run[:, None], epsilon, False)) for run in _runs(contour, part))
    return int(clicks)


def _runs(contour: Points, drawn: Mask) -> list[Points]:
    """The stretches of a contour that are drawn; the first and last are one if they meet."""
    edges = np.flatnonzero(np.diff(drawn, prepend=False, append=False))
    runs = [np.ascontiguousarray(contour[start:end]) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    if len(runs) > 1 and np.abs(runs[0][0] - runs[-1][-1]).max() == 1:
        runs[-1] = np.concatenate((runs[-1], runs[0][::-1]))
        del runs[0]
    return runs
