"""The chosen subject as a part of tracking: inferences at marks, and what of each observation belongs to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import OptionError
from streamseg.frame import Frame
from streamseg.matting.arrays import Image, resize
from streamseg.matting.backend import MattingBackend
from streamseg.matting.choosing.appearance import colour_bins
from streamseg.matting.choosing.candidates import best_region, crops_around
from streamseg.matting.choosing.choice import Mark, PlacedMark, Subject, SubjectChoice
from streamseg.matting.choosing.partition import firm
from streamseg.matting.choosing.selection import SELECTION_SIZE, SubjectSelection
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.temporal.filter import Observation, grid_shape
from streamseg.matting.tracking.inference import Inference
from streamseg.matting.tracking.roi import FULL_FRAME, ROI, subject_roi
from streamseg.media.reading.info import VideoInfo

from .options import Matting

__all__ = ["NONE_DUE", "DueMarks", "Seen", "SubjectChooser", "chosen_alpha", "chosen_matting"]

# Where a lost subject is looked for, over and over: the last ROI with these margins, as parts of its longer side, and
# the full frame.
_SEARCHES = (0.0, 0.25, 0.5, 1.0, None)
# Radius of the seeds around marks of which one is kept and the other not, in the same region: part of the longer side.
_SEED = 0.03
# Alpha from which on a cell is found.
_FOUND = 0.4


@dataclass(frozen=True, slots=True)
class DueMarks:
    """The marks that are due in a frame, and the inferences around them.

    Attributes:
        marks: those that are due.
        inferences: what the network sees, beside what it sees anyway.
        of_mark: for each mark which of the inferences belong to it.
    """

    marks: tuple[PlacedMark, ...] = ()
    inferences: tuple[Inference, ...] = ()
    of_mark: tuple[tuple[int, ...], ...] = ()


_NO_MOTION = Motion(np.zeros((2, 8, 8), np.float32), np.ones((8, 8), np.float32))
#: At no marks.
NONE_DUE = DueMarks()


@dataclass(frozen=True, slots=True)
class Seen:
    """What an inference saw of a frame.

    Attributes:
        saliency: its map, float32 [rows, columns] in [0, 1].
        observation: the same on the matte grid.
        content: see streamseg.matting.temporal.filter.observe.
    """

    saliency: Image
    observation: Observation
    content: float


class SubjectChooser:
    """One stream's chosen subject.

    ``due`` and ``inference`` are called where an inference starts, ``observation`` where it is complete, for one frame
    after the other; these may be two threads.

    Args:
        choice: one that is not automatic.
        backend: does the work.
    """

    def __init__(self, choice: SubjectChoice, backend: MattingBackend) -> None:
        self._choice, self._backend = choice, backend
        self._only = choice.keeps
        self._selection = SubjectSelection(self._only, choice.count)
        self._waiting: list[PlacedMark] | None = None  # until the size of the frames is known
        self._added: deque[Mark] = deque()
        self._last: ROI | None = None
        self._searches = 0

    def add(self, mark: Mark) -> None:
        """Another mark, for the next frame. Any thread may call this."""
        self._added.append(mark)

    def due(self, frame: Frame) -> DueMarks:
        """The marks that are due in the next frame."""
        if self._waiting is None:
            self._waiting = list(self._choice.placed(frame.width, frame.height))
        while self._added:
            self._waiting += SubjectChoice(marks=(self._added.popleft(),)).placed(frame.width, frame.height)
        due = tuple(mark for mark in self._waiting if mark.time is None or mark.time <= frame.time + 1e-6)
        if not due:
            return NONE_DUE
        self._waiting = [mark for mark in self._waiting if mark not in due]
        rois: list[ROI] = []
        of_mark = []
        for mark in due:
            crops = crops_around(mark, frame.width, frame.height)
            rois += [roi for roi in crops if roi not in rois]
            of_mark.append(tuple(rois.index(roi) for roi in crops))
        return DueMarks(due, tuple(Inference(roi) for roi in rois), tuple(of_mark))

    def inference(self, usual: Inference, roi: ROI | None) -> Inference:
        """What the network sees of a frame: the subject alone, or where it may be.

        Args:
            usual: what it would see otherwise.
            roi: of the subject in the frame before, aligned; None if there is none, or it belongs to another scene.
        """
        if not self._only or not self._selection.is_active:
            return usual
        if not self._selection.lost and roi is not None:
            self._last, self._searches = roi, 0
            return usual._replace(roi=roi) if usual.roi == FULL_FRAME else usual
        margin = _SEARCHES[self._searches % len(_SEARCHES)]
        self._searches += 1
        seen = FULL_FRAME if self._last is None or margin is None else _grown(self._last, margin)
        return usual._replace(roi=seen)

    def observation(
        self, frame: Frame, motion: Motion | None, seen: Seen | None, due: DueMarks, marked: Sequence[Seen]
    ) -> Observation | None:
        """What is kept of a frame; None where the network did not see it.

        Args:
            motion: to the frame; None in a new scene.
            seen: what was seen of it apart from marks; None if nothing.
            due: the marks, and ``marked`` what was seen by their inferences.
        """
        self._selection.advance(motion)
        if seen is None and not marked:
            return None
        shape = grid_shape(frame.width, frame.height, SELECTION_SIZE)
        bins = colour_bins(frame, shape, self._backend)
        if not due.marks:
            return self._kept(seen, bins)
        if not self._only:
            self._mark(due, marked, bins)
            return self._kept(seen or marked[0], bins)
        before = self._kept(seen, bins) if self._selection.is_active else None
        parts = [_masked(there.observation, membership) for membership, there in self._mark(due, marked, bins)]
        return _united(parts if before is None else [*parts, before], marked[0].observation.shape)

    def _kept(self, seen: Seen | None, bins: NDArray[np.int32]) -> Observation | None:
        """The part of an observation that belongs to the subject."""
        if seen is None:
            return None
        return _masked(seen.observation, self._selection.keep(self._observed(seen, bins), bins))

    def _mark(self, due: DueMarks, seen: Sequence[Seen], bins: NDArray[np.int32]) -> list[tuple[Image, Seen]]:
        """Take in the marks; gives what is kept by them, each with what was seen there."""
        small = [self._observed(each, bins) for each in seen]
        found = _whole(small[0])
        kept, removed, winners = np.zeros_like(found), np.zeros_like(found), []
        for mark, indices in zip(due.marks, due.of_mark, strict=True):
            region, best = best_region(mark, [small[index] for index in indices])
            if mark.keep:
                kept = np.maximum(kept, region)
                if best is not None:
                    winners.append((region, indices[best]))
            else:
                removed = np.maximum(removed, region)
        share = _between(due.marks, kept, removed)
        kept, removed = kept * share, removed * (1 - share)
        parts = self._selection.mark(kept, removed, found, bins)
        memberships = []
        for region, index in winners:
            own = (region > _FOUND) & (share > 0.5)
            memberships.append((firm(own, (_whole(small[index]) > _FOUND) & ~own, False), seen[index]))
        if parts.any():
            memberships.append((firm(parts, (found > _FOUND) & ~parts, False), seen[0]))
        return memberships

    def _observed(self, seen: Seen, bins: NDArray[np.int32]) -> Observation:
        """On the grid of the selection."""
        return self._backend.observe(seen.saliency, seen.observation.roi, bins.shape, seen.content)


def _whole(observation: Observation) -> Image:
    """Its alpha on the whole grid, 0 where nothing was seen."""
    alpha = np.zeros(observation.shape, np.float32)
    alpha[observation.cells] = observation.alpha
    return alpha


def _between(marks: Sequence[PlacedMark], kept: Image, removed: Image) -> Image:
    """1 where a cell belongs to what is kept rather than removed: what is both is divided by nearness."""
    if not ((kept > _FOUND) & (removed > _FOUND)).any():
        return (kept >= removed).astype(np.float32)
    rows, columns = kept.shape
    down, across = (np.arange(rows) + 0.5)[:, None], np.arange(columns) + 0.5
    seeds = {True: np.zeros(kept.shape, np.bool_), False: np.zeros(kept.shape, np.bool_)}
    for mark in marks:
        x, y = (mark.left + mark.right) / 2 * columns, (mark.top + mark.bottom) / 2 * rows
        seeds[mark.keep] |= np.hypot(across - x, down - y) < max(1.0, _SEED * max(rows, columns))
    return firm(seeds[True], seeds[False], True)


def _united(observations: Sequence[Observation], shape: tuple[int, int]) -> Observation:
    """The largest alpha of several, as an observation of the full frame."""
    alpha = np.zeros(shape, np.float32)
    for each in observations:
        alpha[each.cells] = np.maximum(alpha[each.cells], each.alpha)
    return Observation(alpha, FULL_FRAME, shape)


def chosen_alpha(
    choice: SubjectChoice, frame: Frame, see: Callable[[Inference | None], Seen], backend: MattingBackend
) -> Image:
    """The chosen subject of an image: first around its marks, then in the part of the frame where it was found.

    Args:
        see: runs an inference on the frame, or with None what is usual.

    Returns:
        Alpha on the matte grid, float32 [rows, columns] in [0, 1].
    """
    chooser = SubjectChooser(choice, backend)
    due = chooser.due(frame)
    usual = None if choice.keeps else see(None)
    observation = chooser.observation(frame, None, usual, due, [see(each) for each in due.inferences])
    assert observation is not None
    roi = subject_roi(observation.alpha)
    if choice.keeps and roi is not None:
        closer = see(Inference(roi.aligned(frame.width, frame.height)))
        observation = chooser.observation(frame, _NO_MOTION, closer, NONE_DUE, []) or observation
    return _whole(observation)


def chosen_matting(matting: Matting, subject: Subject, start: float, info: VideoInfo, device: str = "cpu") -> Matting:
    """``matting`` with the chosen subject of a video, whose time stamps count from ``start`` of the source.

    Raises:
        OptionError: marks outside the frames, before the start, or after the end where that is known; or what the
            device does not do.
    """
    choice = SubjectChoice.of(subject)
    choice = (matting.choice or choice) if choice.is_automatic else choice
    choice = choice.later(start)
    end = None if info.frames is None or not info.frame_rate else float(info.frames / info.frame_rate)
    for mark in choice.placed(info.shape.width, info.shape.height):
        if end is not None and mark.time is not None and mark.time > end:
            raise OptionError(f"subject at {start + mark.time:g} s: the video ends at {start + end:.1f} s")
    matting = replace(matting, subject=choice)
    matting.check(device)
    return matting


def _masked(observation: Observation, membership: Image | None) -> Observation:
    if membership is None:
        return observation
    return replace(observation, alpha=observation.alpha * resize(membership, *observation.shape)[observation.cells])


def _grown(roi: ROI, margin: float) -> ROI:
    across, down = margin * (roi.right - roi.left), margin * (roi.bottom - roi.top)
    return ROI(
        max(0.0, roi.left - across),
        max(0.0, roi.top - down),
        min(1.0, roi.right + across),
        min(1.0, roi.bottom + down),
    )
