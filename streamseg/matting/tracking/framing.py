"""Framing: which part of the frame to show, so that the subject is well placed in it, and moves little."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.matting.tracking.roi import FULL_FRAME, ROI

__all__ = ["Framing", "Placement", "placement"]

# Part of the shown height above the subject, and of the shown width that the subject takes, at most.
_HEAD_ROOM, _MOST_WIDTH = 0.14, 0.8
# The part of the frame that is shown is never smaller.
_SMALLEST = 0.5
# The subject's upper part, which holds the head.
_UPPER = 0.3
# A subject that covers less of the frame is none.
_LEAST_AREA = 0.005
# Seconds over which placements are averaged, and for which a lost subject is waited for.
_AVERAGED, _LOST = 0.6, 2.0
# The view stays while the placement is wrong by less, as parts of its size.
_DEAD_ZONE, _DEAD_ZONE_SIZE = 0.05, 0.08
# A critically damped spring: its frequency in 1/s; most speed and acceleration in views per second.
_FREQUENCY, _SPEED, _ACCELERATION = 2.5, 0.35, 1.0
# How much faster it is while the view cuts off the subject's head.
_URGENT = 3.0
_LONGEST_STEP = 1 / 60


class Placement(NamedTuple):
    """Where a subject is, in fractions of the frame's width and height from left and top.

    Attributes:
        left, top, right, bottom: of its box.
        head: horizontal middle of its upper part.
    """

    left: float
    top: float
    right: float
    bottom: float
    head: float


def placement(subject: NDArray[np.bool_]) -> Placement | None:
    """The placement of what is true in an image, bool [rows, columns]; None if that is next to nothing."""
    if subject.mean() < _LEAST_AREA:
        return None
    height, width = subject.shape
    rows, columns = np.flatnonzero(subject.any(axis=1)), np.flatnonzero(subject.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    upper = subject[top : top + max(1, round(_UPPER * (bottom - top)))].sum(axis=0)
    head = float((upper * (np.arange(width) + 0.5)).sum() / upper.sum())
    return Placement(columns[0] / width, top / height, (columns[-1] + 1) / width, bottom / height, head / width)


class Framing:
    """The view of one stream: a part of the frame, of the frame's aspect ratio, that follows the subject.

    It holds still while the subject stays about where it was, else it moves like a critically damped spring of limited
    speed and acceleration; it hurries when the subject's head has left it. Until there is a subject, and two seconds
    after there is none, it is the full frame.
    """

    def __init__(self) -> None:
        self._average: NDArray[np.float64] | None = None  # of the wanted view: middle x, middle y, log of the size
        self._goal = self._view = np.array([0.5, 0.5, 0.0])
        self._speed = np.zeros(3)
        self._time: float | None = None
        self._seen = -math.inf

    def __call__(self, where: Placement | None, time: float, new_scene: bool = False) -> ROI:
        """The view of the next frame.

        Args:
            where: the subject is in it; None if there is none.
            time: of the frame, in seconds.
            new_scene: the view need not follow from those before.
        """
        first = self._time is None or new_scene
        elapsed = 0.0 if self._time is None else max(0.0, time - self._time)
        self._time = time
        urgent = where is not None and _is_cut(where, _roi(self._view))
        if where is not None:
            self._seen = time
            self._aim(_wanted(where), elapsed, first or urgent)
        elif first or time - self._seen > _LOST:
            self._average, self._goal = None, np.array([0.5, 0.5, 0.0])
        if first:
            self._view, self._speed = self._goal, np.zeros(3)
        self._move(elapsed, _URGENT if urgent else 1.0)
        return _roi(self._view)

    def _aim(self, wanted: NDArray[np.float64], elapsed: float, at_once: bool) -> None:
        if self._average is None or at_once:
            self._average = wanted
        else:
            self._average = self._average + (wanted - self._average) * (1 - math.exp(-elapsed / _AVERAGED))
        size = math.exp(self._goal[2])
        off = np.abs(self._average - self._goal) / [size, size, 1]
        if at_once or max(off[0], off[1]) > _DEAD_ZONE or off[2] > _DEAD_ZONE_SIZE:
            self._goal = self._average

    def _move(self, elapsed: float, haste: float) -> None:
        frequency = _FREQUENCY * haste
        steps = math.ceil(elapsed / _LONGEST_STEP)
        for _ in range(min(steps, 120)):
            step = elapsed / steps
            scale = np.array([math.exp(self._view[2])] * 2 + [1.0])
            pull = frequency**2 * (self._goal - self._view) - 2 * frequency * self._speed
            most, fastest = _ACCELERATION * haste**2 * scale, _SPEED * haste * scale
            self._speed = self._speed + np.clip(pull, -most, most) * step
            self._speed = np.clip(self._speed, -fastest, fastest)
            self._view = self._view + self._speed * step


def _is_cut(where: Placement, view: ROI) -> bool:
    return where.top < view.top or not view.left < where.head < view.right


def _wanted(where: Placement) -> NDArray[np.float64]:
    size = max((where.bottom - where.top) / (1 - _HEAD_ROOM), (where.right - where.left) / _MOST_WIDTH)
    size = min(1.0, max(_SMALLEST, size))
    middle = where.top - _HEAD_ROOM * size + size / 2
    return np.array([_inside(where.head, size), _inside(middle, size), math.log(size)])


def _inside(middle: float, size: float) -> float:
    """The middle of a view of that size, moved into the frame."""
    return min(max(middle, size / 2), 1 - size / 2)


def _roi(view: NDArray[np.float64]) -> ROI:
    size = min(1.0, math.exp(view[2]))
    if size > 1 - 1e-3:
        return FULL_FRAME
    x, y = (_inside(float(middle), size) for middle in view[:2])
    return ROI(x - size / 2, y - size / 2, x + size / 2, y + size / 2)
