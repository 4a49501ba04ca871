"""What a matte learns from the frames that follow, as stages: plain objects with state and no threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from streamseg.device.cpu.arithmetic import best_arithmetic
from streamseg.matting.arithmetic import Arithmetic
from streamseg.matting.arrays import Image
from streamseg.matting.motion import Motion

from .follow import Shot

__all__ = ["Evener", "Settler"]


class Settler:
    """Shot → shot whose matte also knows of the next ``look_ahead`` frames; those are held back.

    Args:
        look_ahead: frames.
        arithmetic: does the work; the best there is if None.
    """

    def __init__(self, look_ahead: int, arithmetic: Arithmetic | None = None) -> None:
        self._look_ahead, self._arithmetic = look_ahead, arithmetic or best_arithmetic()
        self._held: deque[Shot] = deque()

    def __call__(self, shot: Shot) -> list[Shot]:
        """Take the next shot; gives those that are done, in order."""
        self._held.append(shot)
        return [self._settled()] if len(self._held) > self._look_ahead else []

    def finish(self) -> Iterator[Shot]:
        """The shots that are still held back."""
        while self._held:
            yield self._settled()

    def _settled(self) -> Shot:
        later = list(self._held)[::-1]
        alpha: Image | None = None
        for shot, after in zip(later, [None, *later[:-1]], strict=True):
            assert shot.memory is not None
            if alpha is None or after is None or after.motion is None:
                alpha = shot.memory.alpha
            else:
                alpha = self._arithmetic.settle(shot.memory, alpha, _backwards(after, shot, self._arithmetic))
        shot = self._held.popleft()
        shot.alpha, shot.memory = alpha, None  # nobody asks for the memory again
        return shot


class Evener:
    """Shot → shot whose matte is evened out with those of the shots before and after it; one is held back.

    The one before is as it was given out, evened out itself.

    Args:
        arithmetic: does the work; the best there is if None.
    """

    def __init__(self, arithmetic: Arithmetic | None = None) -> None:
        self._arithmetic = arithmetic or best_arithmetic()
        self._held: Shot | None = None
        self._before: Image | None = None

    def __call__(self, shot: Shot) -> list[Shot]:
        """Take the next shot; gives the one before it."""
        held, self._held = self._held, shot
        return [] if held is None else [self._evened(held, shot)]

    def finish(self) -> Iterator[Shot]:
        """The shot that is still held back."""
        if self._held is not None:
            yield self._evened(self._held, None)
            self._held = None

    def _evened(self, shot: Shot, after: Shot | None) -> Shot:
        assert shot.alpha is not None
        neighbours: list[tuple[Image, Motion]] = []
        if self._before is not None and shot.motion is not None:
            neighbours.append((self._before, shot.motion))
        if after is not None and after.motion is not None:
            assert after.alpha is not None
            neighbours.append((after.alpha, _backwards(after, shot, self._arithmetic)))
        shot.alpha, shot.backwards = self._arithmetic.even(shot.alpha, neighbours), None
        self._before = shot.alpha
        return shot


def _backwards(after: Shot, shot: Shot, arithmetic: Arithmetic) -> Motion:
    """The motion to ``shot`` from the one after it, which is of the same scene."""
    if after.backwards is None:
        assert after.motion is not None
        after.backwards = arithmetic.reversed_motion(after.motion, shot.picture, after.picture)
    return after.backwards
