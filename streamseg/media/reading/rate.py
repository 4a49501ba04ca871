"""The nominal frame rate of a video."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import TypeGuard

from av.video.stream import VideoStream

__all__ = ["is_plausible", "nominal_rate"]

_MOST = 120
_STANDARD = [Fraction(n, d) for n, d in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1))]
_STANDARD += [Fraction(60000, 1001), Fraction(60), Fraction(100), Fraction(120000, 1001), Fraction(120)]
# Half of a millisecond of rounding in 33 ms.
_SNAP = 0.02


def is_plausible(rate: Fraction | None) -> TypeGuard[Fraction]:
    """Whether a container's rate may be that of its frames, rather than of its clock."""
    return rate is not None and 1 <= rate <= _MOST


def nominal_rate(video: VideoStream, times: Sequence[Fraction]) -> Fraction | None:
    """Frames per second: the container's average where that is plausible, else by the median interval of ``times``.

    Args:
        times: presentation times of some frames, in seconds, in any order.

    Returns:
        None where nothing is known.
    """
    average = video.average_rate
    if is_plausible(average):
        return average
    ordered = sorted(set(times))
    intervals = [after - before for before, after in pairwise(ordered)]
    if not intervals:
        return next((rate for rate in (video.guessed_rate, average) if is_plausible(rate)), None)
    rate = 1 / Fraction(median(intervals))
    closest = min(_STANDARD, key=lambda standard: abs(standard - rate))
    if abs(closest - rate) <= _SNAP * closest:
        return closest
    # Irregular times say little; high-speed cameras are regular.
    regular = max(intervals) <= 1.5 * min(intervals)
    return rate.limit_denominator(1001) if regular else Fraction(min(60, max(1, round(rate))))
