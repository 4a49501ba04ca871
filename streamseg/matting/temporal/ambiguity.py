"""Ambiguous regions of a matte become foreground or background: half transparency is for hair and motion blur.

Where a network is not sure of a region, or two networks contradict each other, the matte is half transparent over all
of it, and the composite shows a ghost. A viewer forgives a wrong outline sooner. So each such region is decided as a
whole, and a decision changes over a few frames only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamseg.matting.arrays import Image, box_mean
from streamseg.matting.constants import (
    ALPHA_HIGH,
    ALPHA_LOW,
    AMBIGUOUS_CORE,
    AMBIGUOUS_HIGH,
    AMBIGUOUS_LOW,
    AMBIGUOUS_RADIUS,
    AMBIGUOUS_SHARE,
    DECISION_GAIN,
    DECISION_HYSTERESIS,
    DECISION_RADIUS,
    DECISION_STEP,
)

__all__ = ["resolve"]

# Where no cell of a window is ambiguous.
_TINY = 1e-6


def resolve(alpha: Image, before: Callable[[], Image] | None = None) -> Image:
    """The matte with its ambiguous regions decided.

    A region is ambiguous where it is half transparent over more than an edge is wide: a morphological opening of what
    is half transparent, by a square of side 2·AMBIGUOUS_RADIUS + 1; a soft one, so that a region does not appear from
    one frame to the next. Its alpha around each cell, averaged over the region alone, decides.

    Args:
        alpha: float32 [rows, columns] in [0, 1]; what is shown as 0 and as 1 see ALPHA_LOW and ALPHA_HIGH.
        before: called where something is ambiguous; gives what this function gave for the frame before, warped to this
            one. None without such a frame. What was foreground stays foreground a little longer, and alpha changes by
            DECISION_STEP at most.

    Returns:
        float32 [rows, columns]: ``alpha`` itself where nothing is ambiguous.
    """
    shown = _shown(alpha)
    half = ((shown > AMBIGUOUS_LOW) & (shown < AMBIGUOUS_HIGH)).astype(np.float32)
    core = _ramp(_window_mean(half, AMBIGUOUS_RADIUS), AMBIGUOUS_SHARE, 1)
    if not core.any():
        return alpha
    region = _ramp(_window_mean(core, AMBIGUOUS_RADIUS), 0, AMBIGUOUS_CORE)
    previous = None if before is None else _shown(before())
    value = shown if previous is None else shown + np.float32(DECISION_HYSTERESIS) * (previous - np.float32(0.5))
    mean = _window_mean(value * region, DECISION_RADIUS) / np.maximum(_window_mean(region, DECISION_RADIUS), _TINY)
    decided = np.clip(0.5 + DECISION_GAIN * (mean - 0.5), 0, 1)
    if previous is not None:
        decided = np.clip(decided, previous - DECISION_STEP, previous + DECISION_STEP)
    resolved = ALPHA_LOW + (ALPHA_HIGH - ALPHA_LOW) * decided
    return np.asarray(alpha + region * (resolved - alpha), np.float32)


def _window_mean(image: Image, radius: int) -> Image:
    """The mean of the cells of a window of side 2·radius + 1 that lie in the frame."""
    return box_mean(image, radius) / box_mean(np.ones_like(image), radius)


def _ramp(image: Image, low: float, high: float) -> Image:
    """0 up to ``low``, 1 from ``high`` on, in between in proportion."""
    return np.clip((image - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)


def _shown(alpha: Image) -> Image:
    """Alpha as it is shown, float32 in [0, 1]."""
    return _ramp(alpha, ALPHA_LOW, ALPHA_HIGH)
