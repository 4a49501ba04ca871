"""The schedule of inferences: on which frames the network runs, on which part of them, and in which variant."""

from __future__ import annotations

from math import lcm
from typing import Literal, NamedTuple

from streamseg.matting.arrays import Image
from streamseg.matting.tracking.roi import FULL_FRAME, ROI, motion_outside, unexplained_fraction
from streamseg.network.architecture import Variant

__all__ = ["FULL_FRAME_INFERENCE", "Inference", "InferenceSchedule", "PersonMapUse", "usual_variants"]

# Inferences on the ROI between two on the full frame: at most, and at least however much moves outside the ROI.
_MOST_BETWEEN, _FEWEST_BETWEEN = 12, 4
# Fraction of the frame that moves outside the ROI before the full frame is seen ahead of schedule.
_MOTION_OUTSIDE = 0.02
# An inference whose innovation is below this has brought nothing new.
_NOTHING_NEW = 0.045
# Fraction of the frame that the flow may leave unexplained in a calm scene.
_CALM_UNEXPLAINED = 0.005


#: What a person map is used for, see Inference.
PersonMapUse = Literal["unused", "presence", "mix"]


class Inference(NamedTuple):
    """One run of the network.

    Attributes:
        roi: the part of the frame it sees.
        flipped: the input is flipped left to right, and the map is flipped back.
        variant: of the network, where the device has both; the smaller input has the full one only.
        size: side of its input in pixels, one of the device's sizes; None for the first of them.
        person_map: what the selfie network's map of the same part is used for: nothing, whether anybody is there, or
            to be mixed in. A device without that network does not make it.
    """

    roi: ROI = FULL_FRAME
    flipped: bool = False
    variant: Variant = "full"
    size: int | None = None
    person_map: PersonMapUse = "unused"


FULL_FRAME_INFERENCE = Inference()


class InferenceSchedule:
    """The inferences of one stream.

    Where a temporal filter combines them, every second inference is flipped, so that errors that depend on the side
    cancel out (the average over horizontal reflections of Krizhevsky et al. 2012, ImageNet Classification with Deep
    Convolutional Neural Networks, section 4.1, spread over time), and only some run the full variant.

    Args:
        every: the network sees every n-th frame.
        full_every: every n-th inference runs the full variant, and so do the first of a scene and those on the full
            frame. 0: only these; None: none at all.
        idle_frames: how many more frames may pass between two inferences while they bring nothing new and the flow
            explains the frames.

    Attributes:
        every: as above; may be changed between two frames.
    """

    def __init__(self, every: int = 1, full_every: int | None = 1, idle_frames: int = 0) -> None:
        self.every, self._full_every, self._idle_frames = every, full_every, idle_frames
        self._count = self._since_inference = self._since_full_frame = self._extra = 0

    @property
    def period(self) -> int:
        """Frames after which the kinds of inferences come again in the same order, where nothing but the schedule
        decides, the choices of streamseg.matting.tracking.near among them."""
        inferences = lcm(2 * (_MOST_BETWEEN + 1), self._full_every or 1)
        return self.every * inferences

    def skips(self, new_scene: bool, confidence: Image | None = None) -> bool:
        """Whether the network does not see the next frame; its matte is then warped from the frame before.

        Args:
            confidence: of the flow to it from the frame before, see Motion; needed where ``observed`` is called.
        """
        self._since_inference += 1
        if self._extra and (new_scene or confidence is None or unexplained_fraction(confidence) > _CALM_UNEXPLAINED):
            self._extra = 0
        if not new_scene and self._since_inference < self.every + self._extra:
            return True
        self._since_inference = 0
        return False

    def observed(self, innovation: float) -> None:
        """Report the innovation of an inference, see MatteState: while it is small, the next ones come later."""
        self._extra = min(self._extra + 1, self._idle_frames) if innovation < _NOTHING_NEW else 0

    def next(self, size: tuple[int, int], confidence: Image | None, roi: ROI | None, filtered: bool) -> Inference:
        """The inference on a frame that is not skipped.

        Args:
            size: width and height of the frame.
            confidence: of the flow to it from the frame before, see Motion; None in a new scene.
            roi: of the subject in the frame before; None if there is none, or it belongs to another scene.
            filtered: whether a temporal filter combines inferences; else all are of one kind.
        """
        full_frame = confidence is None or (roi is not None and self._full_frame_is_due(confidence, roi))
        seen = FULL_FRAME if full_frame or roi is None else roi.aligned(*size)
        self._since_full_frame = 0 if seen == FULL_FRAME else self._since_full_frame + 1
        full = _is_full(self._full_every, self._count, full_frame) if filtered else bool(self._full_every)
        inference = Inference(seen, filtered and self._count % 2 == 1, "full" if full else "lite")
        self._count += 1
        return inference

    def _full_frame_is_due(self, confidence: Image, roi: ROI) -> bool:
        """On schedule, and sooner when something moves outside the ROI."""
        moving = motion_outside(confidence, roi) > _MOTION_OUTSIDE
        return self._since_full_frame >= (_FEWEST_BETWEEN if moving else _MOST_BETWEEN)


def _is_full(full_every: int | None, number: int, full_frame: bool) -> bool:
    return full_every is not None and (full_frame or (full_every > 0 and number % full_every == 0))


def usual_variants(full_every: int | None, count: int) -> list[Variant]:
    """Variants of the first ``count`` inferences where nothing moves outside the ROI; see InferenceSchedule."""
    between = _MOST_BETWEEN + 1
    return ["full" if _is_full(full_every, number, number % between == 0) else "lite" for number in range(count)]
