"""Ghosts: half transparent where the subject has no edge."""

from __future__ import annotations

import numpy as np

from streamseg.metrics.arrays import Floats, Mask, check, check_like
from streamseg.metrics.morphology import dilate

__all__ = ["ghost", "ghost_of_matte", "half_transparent"]

# Alpha strictly between these is half transparent.
_LOW, _HIGH = 0.1, 0.9
# True alpha strictly between these is an edge: hair, motion blur.
_EDGE_LOW, _EDGE_HIGH = 0.05, 0.95
# Pixels (Euclidean) around an edge where a matte may be half transparent.
_RADIUS = 5


def ghost(prediction: Floats, truth: Floats | Mask) -> float:
    """The share of pixels with alpha strictly between .1 and .9 that lie farther than 5 pixels from the true edge.

    The edge of a mask is where it changes; with true alpha it takes in the band strictly between .05 and .95.

    Args:
        prediction: floats [rows, columns] in [0, 1].
        truth: floats [rows, columns] in [0, 1], or bool.

    Returns:
        In [0, 1], of all pixels.

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    return _share(prediction, truth > _EDGE_LOW, truth < _EDGE_HIGH)


def ghost_of_matte(matte: Floats) -> float:
    """Without ground truth: the same, farther than 5 pixels from the matte's own contour at one half.

    Args:
        matte: floats [rows, columns] in [0, 1].

    Returns:
        In [0, 1], of all pixels. Where a ghost crosses one half, its own contour hides a part of it.

    Raises:
        InputError: other types or values.
    """
    check(matte, "matte")
    inside = np.asarray(matte >= 0.5, np.bool_)
    return _share(matte, inside, ~inside)


def half_transparent(matte: Floats) -> Mask:
    """Pixels with alpha strictly between .1 and .9; ``matte`` as for ghost_of_matte."""
    return np.asarray((matte > _LOW) & (matte < _HIGH), np.bool_)


def _share(matte: Floats, not_background: Mask, not_foreground: Mask) -> float:
    """Of half transparent pixels that are not within reach of both; what is both itself is an edge."""
    half = half_transparent(matte)
    if not half.any():
        return 0.0
    near = dilate(not_background, _RADIUS) & dilate(not_foreground, _RADIUS)
    return float(np.count_nonzero(half & ~near) / half.size)
