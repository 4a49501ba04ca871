"""Smoothing as stages: look-ahead, the average with both neighbours, and what becomes of ambiguous regions."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from streamseg.device.cpu.matting.backend import best_backend
from streamseg.matting.arrays import Image
from streamseg.matting.backend import MattingBackend
from streamseg.matting.motion.estimate import Motion

from .motion import TrackedFrame

__all__ = ["AmbiguityResolver", "LookAheadSmoother", "TemporalAverager"]


class LookAheadSmoother:
    """TrackedFrame → TrackedFrame whose matte is smoothed with the next ``look_ahead`` frames; those are held back.

    Args:
        look_ahead: frames.
        backend: does the work; the fastest if None.
    """

    def __init__(self, look_ahead: int, backend: MattingBackend | None = None) -> None:
        self._look_ahead, self._backend = look_ahead, backend or best_backend()
        self._held: deque[TrackedFrame] = deque()

    def __call__(self, tracked: TrackedFrame) -> list[TrackedFrame]:
        """Take the next frame; returns those that are done, in order."""
        self._held.append(tracked)
        return [self._smoothed()] if len(self._held) > self._look_ahead else []

    def finish(self) -> Iterator[TrackedFrame]:
        """The frames that are still held back."""
        while self._held:
            yield self._smoothed()

    def _smoothed(self) -> TrackedFrame:
        """The oldest frame, smoothed backwards in time from the newest one."""
        newest_first = list(self._held)[::-1]
        alpha: Image | None = None
        for tracked, later in zip(newest_first, [None, *newest_first[:-1]], strict=True):
            assert tracked.state is not None
            if alpha is None or later is None or later.motion is None:
                alpha = tracked.state.alpha
            else:
                alpha = self._backend.smooth(
                    tracked.state.alpha, alpha, _backward_motion(later, tracked, self._backend)
                )
        oldest = self._held.popleft()
        oldest.alpha, oldest.state = alpha, None  # the state is not needed again
        return oldest


class TemporalAverager:
    """TrackedFrame → TrackedFrame whose matte is averaged with those of the frames before and after it.

    One frame is held back. The matte of the frame before is the averaged one.

    Args:
        backend: does the work; the fastest if None.
    """

    def __init__(self, backend: MattingBackend | None = None) -> None:
        self._backend = backend or best_backend()
        self._held: TrackedFrame | None = None
        self._previous: Image | None = None

    def __call__(self, tracked: TrackedFrame) -> list[TrackedFrame]:
        """Take the next frame; returns the one before it."""
        held, self._held = self._held, tracked
        return [] if held is None else [self._averaged(held, tracked)]

    def finish(self) -> Iterator[TrackedFrame]:
        """The frame that is still held back."""
        if self._held is not None:
            yield self._averaged(self._held, None)
            self._held = None

    def _averaged(self, tracked: TrackedFrame, later: TrackedFrame | None) -> TrackedFrame:
        assert tracked.alpha is not None
        neighbours: list[tuple[Image, Motion]] = []
        if self._previous is not None and tracked.motion is not None:
            neighbours.append((self._previous, tracked.motion))
        if later is not None and later.motion is not None:
            assert later.alpha is not None
            neighbours.append((later.alpha, _backward_motion(later, tracked, self._backend)))
        tracked.alpha, tracked.backward_motion = self._backend.average(tracked.alpha, neighbours), None
        self._previous = tracked.alpha
        return tracked


class AmbiguityResolver:
    """TrackedFrame → its matte with ambiguous regions decided, see streamseg.matting.temporal.ambiguity.

    Args:
        steady: of the matting; 0 decides each frame independently.
        backend: does the work; the fastest if None.

    Attributes:
        steady: as above; may be changed between two frames.
    """

    def __init__(self, steady: float, backend: MattingBackend | None = None) -> None:
        self.steady, self._backend = steady, backend or best_backend()
        self._previous: Image | None = None

    def __call__(self, tracked: TrackedFrame) -> Image:
        """The matte of the next frame, float32 [rows, columns] in [0, 1]."""
        assert tracked.alpha is not None
        alpha, previous, motion = tracked.alpha, self._previous, tracked.motion
        if previous is None or motion is None or not self.steady:
            resolved = self._backend.resolve(alpha)
        else:
            # Where the flow explains the frame the matte before, else this one.
            resolved = self._backend.resolve(alpha, lambda: self._backend.smooth(alpha, previous, motion))
        self._previous = resolved
        return resolved


def _backward_motion(later: TrackedFrame, tracked: TrackedFrame, backend: MattingBackend) -> Motion:
    """The motion to ``tracked`` from the frame after it, which belongs to the same scene."""
    if later.backward_motion is None:
        assert later.motion is not None
        later.backward_motion = backend.reverse_motion(later.motion, tracked.luma, later.luma)
    return later.backward_motion
