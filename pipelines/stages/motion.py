"""Motion estimation as a stage: Frame → TrackedFrame."""

from __future__ import annotations

from dataclasses import dataclass

from streamseg.device.cpu.matting.backend import best_backend
from streamseg.frame import Frame
from streamseg.matting.arrays import Image
from streamseg.matting.backend import MattingBackend
from streamseg.matting.constants import BRIGHTNESS_LARGE, BRIGHTNESS_STEPS
from streamseg.matting.motion.brightness import may_differ, row_gains, with_gains
from streamseg.matting.motion.estimate import FLOW_SIZE, Motion, luma_base
from streamseg.matting.temporal.filter import MatteState

__all__ = ["MotionEstimator", "TrackedFrame"]


@dataclass(slots=True)
class TrackedFrame:
    """A frame on its way through the stages, and what is known of it so far.

    Attributes:
        frame: as decoded.
        luma: base of its luma pyramid, float32 [rows, columns] in 8-bit code values.
        motion: to it from the frame before; None for the first frame of a scene. That of the foreground layer, once the
            frame has been tracked.
        state: of the temporal filter, once the frame has been tracked.
        alpha: the matte on the grid, float32 [rows, columns] in [0, 1].
        backward_motion: to the frame before from this one, once it was needed.
    """

    frame: Frame
    luma: Image
    motion: Motion | None
    state: MatteState | None = None
    alpha: Image | None = None
    backward_motion: Motion | None = None


class MotionEstimator:
    """Finds the motion since the frame before, and scene cuts; a change of brightness alone is neither.

    Args:
        longest: longer side of the luma images that motion is estimated on, in pixels.
        backend: does the work; the fastest if None.
    """

    def __init__(self, longest: int = FLOW_SIZE, backend: MattingBackend | None = None) -> None:
        self._longest, self._backend = longest, backend or best_backend()
        self._previous: Image | None = None
        self._size = (0, 0)

    def __call__(self, frame: Frame) -> TrackedFrame:
        """The next frame with its motion."""
        luma, previous = luma_base(frame, self._backend.downscale, self._longest), self._previous
        self._previous = luma
        same_size, self._size = self._size == (frame.width, frame.height), (frame.width, frame.height)
        if previous is None or not same_size:
            return TrackedFrame(frame, luma, None)
        motion = self._motion(luma, previous, black=0 if frame.colour.full_range else 16)
        return TrackedFrame(frame, luma, None if motion.cut else motion)

    def _motion(self, luma: Image, previous: Image, black: int) -> Motion:
        """With the brightness of the frame before made that of this one; large changes take two steps."""
        motion = self._backend.estimate_motion(luma, previous)
        if not may_differ(luma, previous, black):
            return motion
        for _ in range(BRIGHTNESS_STEPS):
            gains = row_gains(luma, previous, motion.flow, black)
            if gains is None:
                break
            motion = self._backend.estimate_motion(luma, with_gains(previous, gains, black))
            if abs(gains - 1).max() < BRIGHTNESS_LARGE:
                break
        return motion
