"""Subject tracking as a stage: the network sees the ROI around the subject, the temporal filter keeps the matte."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from streamseg.device import Device
from streamseg.device.cpu.matting.backend import best_backend
from streamseg.frame import Frame
from streamseg.matting.arrays import Image
from streamseg.matting.backend import MattingBackend
from streamseg.matting.choosing.choice import Mark, SubjectChoice
from streamseg.matting.motion.estimate import content
from streamseg.matting.temporal.filter import MATTE_SIZE, MatteState, Observation, grid_shape, initialise
from streamseg.matting.tracking.inference import Inference, InferenceSchedule
from streamseg.matting.tracking.near import NEAR_INPUT_SIZE, NearSubject, SubjectFigures, seen_by_both
from streamseg.matting.tracking.roi import FULL_FRAME, ROI, subject_roi, track

from .choosing import NONE_DUE, DueMarks, Seen, SubjectChooser
from .motion import TrackedFrame

__all__ = ["PendingInference", "SubjectTracker"]


@dataclass(frozen=True, slots=True)
class PendingInference:
    """A frame whose saliency map is being computed.

    Attributes:
        tracked: the frame, without a state.
        scene: number of its scene.
        inference: how the network sees it; None if it does not.
        pending: the device's own.
        due, of_marks: marks of the chosen subject, and the device's own of their inferences.
        chooser: what keeps the chosen subject; None for all that is found.
    """

    tracked: TrackedFrame
    scene: int
    inference: Inference | None = None
    pending: Any = None
    due: DueMarks = NONE_DUE
    of_marks: tuple[Any, ...] = ()
    chooser: SubjectChooser | None = None


class SubjectTracker:
    """TrackedFrame → TrackedFrame with its filter state and matte.

    The ROI of a frame comes from the matte ``lag`` frames before it (one frame if there is no lag), whatever the
    timing, so that a repeated run gives the same mattes. On live frames ``start`` and ``complete`` are stages of their
    own, in two threads, and the ROI comes from the newest matte there is.

    Args:
        device: runs the network.
        steady: 0 to 1: how much the past counts.
        schedule: of the inferences; frames without one get their matte by warping. On every frame, if None.
        lag: frames held back, so that as many can be in flight; 0 returns each frame at once, with the same mattes as
            a lag of 1.
        longest: longer side of the matte grid in cells.
        backend: does the work; the fastest if None.
        choice: of the subject; all that is found, if None.
        figures: count what the subject is taken for.

    Attributes:
        steady: as above; may be changed between two frames.
        schedule: as above.
    """

    def __init__(
        self,
        device: Device,
        steady: float,
        schedule: InferenceSchedule | None = None,
        lag: int = 0,
        longest: int = MATTE_SIZE,
        backend: MattingBackend | None = None,
        choice: SubjectChoice | None = None,
        figures: SubjectFigures | None = None,
    ) -> None:
        self._figures = figures or SubjectFigures()
        self.steady, self.schedule = steady, schedule or InferenceSchedule()
        self._device, self._lag, self._longest = device, lag, longest
        self._near = NearSubject(device.subject)
        self._backend = backend or best_backend()
        self._chooser = SubjectChooser(choice, self._backend) if choice and not choice.is_automatic else None
        self._pending: deque[PendingInference] = deque()
        self._done: list[TrackedFrame] = []
        self._scene = 0  # written by start
        # Written by complete.
        self._state: MatteState | None = None
        self._state_scene = 0
        self._roi: ROI | None = None

    def __call__(self, tracked: TrackedFrame) -> list[TrackedFrame]:
        """Take the next frame; returns those that are done, in order."""
        if len(self._pending) == self._lag > 0:
            self._done.append(self._complete_oldest())
        self._pending.append(self.start(tracked))
        if not self._lag:
            self._done.append(self._complete_oldest())
        done, self._done = self._done, []
        return done

    def finish(self) -> Iterator[TrackedFrame]:
        """The frames that are still held back; after a failure, those before the one that failed."""
        yield from self._done
        while self._pending:
            yield self._complete_oldest()

    def _complete_oldest(self) -> TrackedFrame:
        try:
            return self.complete(self._pending.popleft())
        except BaseException:
            self._pending.clear()  # nothing may come out after a frame that failed
            raise

    @property
    def chosen(self) -> bool:
        """Whether a subject has been chosen."""
        return self._chooser is not None

    def choose(self, mark: Mark | None, add: bool = False) -> None:
        """Choose the subject, from the next frame that is started on. Any thread may call this.

        Args:
            mark: on what is kept, or on what is taken away from what was there before; None for all that is found.
            add: what is kept by ``mark`` is added to what was chosen before.
        """
        chooser = self._chooser
        if mark is not None and chooser is not None and (add or not mark.keep):
            chooser.add(mark)
        else:
            self._chooser = None if mark is None else SubjectChooser(SubjectChoice(marks=(mark,)), self._backend)

    def start(self, tracked: TrackedFrame) -> PendingInference:
        """Start the inference on a frame, if the schedule has one, and those for marks of the chosen subject."""
        chooser = self._chooser
        started = self._start(tracked, chooser)
        if chooser is None:
            return started
        due = chooser.due(tracked.frame)
        of_marks = tuple(self._infer(tracked.frame, inference) for inference in due.inferences)
        return replace(started, due=due, of_marks=of_marks, chooser=chooser)

    def _start(self, tracked: TrackedFrame, chooser: SubjectChooser | None) -> PendingInference:
        if tracked.motion is None:
            self._scene += 1
        confidence = None if tracked.motion is None else tracked.motion.confidence
        if self.schedule.skips(tracked.motion is None, confidence):
            return PendingInference(tracked, self._scene)
        frame, roi = tracked.frame, self._roi if self._scene == self._state_scene else None
        inference = self.schedule.next((frame.width, frame.height), confidence, roi, self.steady > 0)
        if chooser is not None:
            inference = chooser.inference(inference, roi and roi.aligned(frame.width, frame.height))
        if self._choice_is_due(inference.roi == FULL_FRAME, tracked.motion is None):
            return PendingInference(tracked, self._scene, *self._choose(frame, inference))
        inference = self._near.seen(inference)
        return PendingInference(tracked, self._scene, inference, self._infer(frame, inference))

    def _choice_is_due(self, full_frame: bool, new_scene: bool) -> bool:
        return NEAR_INPUT_SIZE in self._device.sizes[1:] and self._near.is_due(full_frame, new_scene)

    def _choose(self, frame: Frame, inference: Inference) -> tuple[Inference, Any]:
        """See a frame as a near subject and as others are seen; returns the better inference, and its pending map."""
        small, usual = (self._infer(frame, each) for each in self._near.choices(inference))
        person_map = self._device.person_map(usual)
        self._near.choose(self._device.saliency(small), self._device.saliency(usual), person_map)
        return self._near.seen(inference), small if self._near.small else usual

    def _infer(self, frame: Frame, inference: Inference) -> Any:
        return self._device.network(self._device.prepare(frame, inference))

    def complete(self, pending: PendingInference) -> TrackedFrame:
        """Wait for the inference and update the state; takes frames in the order in which they were started."""
        tracked = pending.tracked
        observation = self._observation(pending)
        if self._state is None or tracked.motion is None or pending.due.marks:
            assert observation is not None
            self._state, roi = initialise(observation), None
        else:
            roi = self._roi
            tracked.motion = self._backend.layer_motion(tracked.motion, self._state.alpha)
            self._state = self._backend.update(self._state, tracked.motion, observation, self.steady, roi)
            if observation is not None:
                self.schedule.observed(self._state.innovation)
        self._roi = track(roi, subject_roi(self._state.alpha))
        self._state_scene = pending.scene
        tracked.state, tracked.alpha = self._state, self._state.alpha
        return tracked

    def _observation(self, pending: PendingInference) -> Observation | None:
        """What is kept of the frame; None where the network did not see it."""
        tracked, seen = pending.tracked, None
        if pending.inference is not None:
            self._figures.count(pending.inference)
            person_map = self._device.person_map(pending.pending)
            saliency = seen_by_both(pending.inference, self._device.saliency(pending.pending), person_map)
            seen = self._seen(tracked, saliency, pending.inference.roi)
        if pending.chooser is None:
            return None if seen is None else seen.observation
        marked = [
            self._seen(tracked, self._device.saliency(each), inference.roi)
            for inference, each in zip(pending.due.inferences, pending.of_marks, strict=True)
        ]
        return pending.chooser.observation(tracked.frame, tracked.motion, seen, pending.due, marked)

    def _seen(self, tracked: TrackedFrame, saliency: Image, roi: ROI) -> Seen:
        shape, factor = grid_shape(tracked.frame.width, tracked.frame.height, self._longest), content(tracked.luma)
        return Seen(saliency, self._backend.observe(saliency, roi, shape, factor), factor)
