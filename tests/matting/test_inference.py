"""The schedule of inferences: when the network runs, on which part of the frame, and in which variant."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.tracking.inference import InferenceSchedule, usual_variants
from streamseg.matting.tracking.roi import FULL_FRAME, ROI

SUBJECT = ROI(0.25, 0.25, 0.5, 0.75)
EXPLAINED = np.ones((18, 32), np.float32)
SIZE = (128, 72)


def inferences_of(count, every=1, full_every=1, filtered=True, roi=SUBJECT):
    """For each frame of a still scene its inference, None where the network does not see it."""
    schedule = InferenceSchedule(every, full_every)
    return [_next(schedule, frame == 0, filtered, roi) for frame in range(count)]


def _next(schedule, new_scene, filtered, roi):
    if schedule.skips(new_scene):
        return None
    return schedule.next(SIZE, None if new_scene else EXPLAINED, None if new_scene else roi, filtered)


def full_variants(inferences):
    """The numbers of the inferences that run the full variant."""
    return [number for number, inference in enumerate(inferences) if inference.variant == "full"]


def test_every_second_inference_is_flipped():
    assert [inference.flipped for inference in inferences_of(6)] == [False, True] * 3
    inferences = [inference for inference in inferences_of(12, every=3) if inference is not None]
    assert [inference.flipped for inference in inferences] == [False, True, False, True]


@pytest.mark.parametrize("full_every", [None, 0, 1, 5])
def test_without_a_temporal_filter_all_inferences_are_of_one_kind(full_every):
    inferences = inferences_of(12, full_every=full_every, filtered=False)
    assert not any(inference.flipped for inference in inferences)
    assert {inference.variant for inference in inferences} == {"full" if full_every else "lite"}


def test_the_full_variant_runs_at_intervals_and_is_flipped_every_second_time():
    inferences = inferences_of(26, full_every=5)
    full_frames = [number for number, inference in enumerate(inferences) if inference.roi == FULL_FRAME]
    assert full_frames == [0, 13]
    assert full_variants(inferences) == sorted({*range(0, 26, 5), *full_frames})
    assert [inferences[number].flipped for number in (0, 5, 10, 15)] == [False, True, False, True]


@pytest.mark.parametrize("full_every", [None, 0, 1, 5])
def test_usual_variants_are_those_of_a_still_scene(full_every):
    inferences = inferences_of(30, full_every=full_every)
    assert usual_variants(full_every, 30) == [inference.variant for inference in inferences]


@pytest.mark.parametrize("roi", [None, FULL_FRAME])
def test_full_frames_without_a_tracked_subject_do_not_all_run_the_full_variant(roi):
    inferences = inferences_of(26, full_every=5, roi=roi)
    assert {inference.roi for inference in inferences} == {FULL_FRAME}
    assert full_variants(inferences) == [0, 5, 10, 15, 20, 25]


def test_the_full_variant_runs_only_on_full_frames_or_never():
    assert full_variants(inferences_of(20, full_every=0)) == [0, 13]
    assert not full_variants(inferences_of(20, full_every=None))


def gaps(innovations, idle_frames, confidence=EXPLAINED, every=3):
    """Frames from one inference to the next, where each has the innovation given."""
    schedule, frames = InferenceSchedule(every, None, idle_frames), []
    for frame in range(200):
        if schedule.skips(frame == 0, confidence):
            continue
        schedule.next(SIZE, None if frame == 0 else confidence, SUBJECT, True)
        frames.append(frame)
        if len(frames) > len(innovations):
            break
        schedule.observed(innovations[len(frames) - 1])
    return np.diff(frames).tolist()


def test_gaps_grow_up_to_the_limit_while_innovations_are_small():
    assert gaps([0.01] * 6, idle_frames=3) == [4, 5, 6, 6, 6, 6]
    assert gaps([0.01] * 6, idle_frames=0) == [3] * 6
    assert gaps([0.3] * 6, idle_frames=3) == [3] * 6


def test_a_large_innovation_resets_the_gap_at_once():
    assert gaps([0.01, 0.01, 0.01, 0.3, 0.01, 0.3], idle_frames=3) == [4, 5, 6, 3, 4, 3]


def test_a_change_that_the_flow_does_not_explain_ends_a_long_gap():
    schedule = InferenceSchedule(3, None, idle_frames=3)
    assert not schedule.skips(True)
    for _ in range(3):
        schedule.observed(0.0)
    changed = EXPLAINED.copy()
    changed[:2, :4] = 0
    confidences = (EXPLAINED, EXPLAINED, EXPLAINED, changed)
    assert [schedule.skips(False, confidence) for confidence in confidences] == [True, True, True, False]
