"""Subject tracking, smoothing and averaging as stages, with a network for which bright pixels are salient."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from streamseg.pipelines.stages.motion import MotionEstimator, TrackedFrame
from streamseg.pipelines.stages.smoothing import LookAheadSmoother, TemporalAverager
from streamseg.pipelines.stages.tracking import SubjectTracker

from streamseg.frame import Frame, PixelFormat
from streamseg.matting.constants import ALPHA_HIGH, ALPHA_LOW, SALIENCY_HIGH, SALIENCY_LOW
from streamseg.matting.tracking.inference import InferenceSchedule
from streamseg.matting.tracking.near import INPUT_SIZES, NEAR_INPUT_SIZE, SubjectFigures
from streamseg.matting.tracking.roi import FULL_FRAME
from streamseg.media.pixels.scale import PlaneScaler

WIDTH, HEIGHT = 240, 160


class BrightnessDevice:
    """A device for which bright pixels are salient; records the ROI, size and time stamp of each inference."""

    def __init__(self, sizes=(320,), subject="any"):
        self.sizes, self.subject = sizes, subject
        self.rois = []
        self.seen_at = []
        self.times = []

    def prepare(self, frame, inference):
        self.rois.append(inference.roi)
        self.seen_at.append(inference.size or self.sizes[0])
        self.times.append(frame.pts)
        left, top, right, bottom = inference.roi.pixels(frame.width, frame.height)
        mask = np.where(frame.planes[0][top:bottom, left:right] > 185, 255, 0).astype(np.uint8)
        return PlaneScaler()(mask, 32, 32).astype(np.float32) / 255

    def network(self, prepared):
        return prepared

    def saliency(self, pending):
        return pending

    def person_map(self, pending):
        return None


@cache
def texture(rows, columns, across=0.0, down=0.0, seed=1):
    """A smooth random image of mean 0 and standard deviation 1, shifted right and down by that many pixels."""
    rng = np.random.default_rng(seed)
    x, y = np.arange(columns) - across, np.arange(rows)[:, None] - down
    total = np.zeros((rows, columns))
    for length, angle, phase in zip(np.geomspace(10, 150, 40), *rng.uniform(0, 2 * np.pi, (2, 40)), strict=True):
        total += length**0.5 * np.cos((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + phase)
    return total / total.std()


def disc(centre, radius=25, size=(WIDTH, HEIGHT)):
    return np.hypot(np.arange(size[0]) - centre[0], (np.arange(size[1]) - centre[1])[:, None]) < radius


BACKGROUNDS = [np.clip(90 + 28 * texture(HEIGHT, WIDTH, seed=seed), 16, 170) for seed in (1, 2)]


def frame_with(pts, *centres, scene=0, radius=25):
    """Bright textured discs over a dark texture."""
    luma = BACKGROUNDS[scene].copy()
    for number, (x, y) in enumerate(centres):
        foreground = np.clip(220 + 8 * texture(HEIGHT, WIDTH, x, y, seed=10 + number), 195, 245)
        luma = np.where(disc((x, y), radius), foreground, luma)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    planes = (np.rint(luma).astype(np.uint8), chroma, chroma)
    return Frame(planes, PixelFormat.parse("yuv420p"), pts, Fraction(1, 25))


def track(frames, device=None, steady=0.5, every=1, lag=0, look_ahead=0, figures=None):
    """All tracked and smoothed frames, in the order in which they come out."""
    motion, smoother = MotionEstimator(), LookAheadSmoother(look_ahead)
    tracker = SubjectTracker(device or BrightnessDevice(), steady, InferenceSchedule(every), lag, figures=figures)
    tracked_frames = [tracked for frame in frames for tracked in tracker(motion(frame))] + list(tracker.finish())
    return [smoothed for tracked in tracked_frames for smoothed in smoother(tracked)] + list(smoother.finish())


def overlap(alpha, *centres, radius=25):
    """Intersection over union of the matte and the discs."""
    truth = np.any([disc(centre, radius) for centre in centres], axis=0)
    found = alpha > 0.5
    return np.count_nonzero(found & truth) / np.count_nonzero(found | truth)


STILL = [frame_with(pts, (80, 80)) for pts in range(30)]


def test_the_first_inference_is_on_the_full_frame_then_on_the_roi():
    device = BrightnessDevice()
    tracked_frames = track(STILL[:8], device)
    assert device.rois[0] == FULL_FRAME
    for roi in device.rois[1:]:
        left, top, right, bottom = roi.pixels(WIDTH, HEIGHT)
        assert left < 55
        assert right > 105
        assert top < 55
        assert bottom > 105
        assert (right - left) * (bottom - top) < 0.5 * WIDTH * HEIGHT
    assert overlap(tracked_frames[-1].alpha, (80, 80)) > 0.9


def test_the_full_frame_is_seen_at_regular_intervals():
    device = BrightnessDevice()
    track(STILL, device)
    full_frames = [time for time, roi in zip(device.times, device.rois, strict=True) if roi == FULL_FRAME]
    assert len(full_frames) == 3
    assert np.all(np.diff(full_frames) == 13)


def test_a_moving_subject_is_tracked():
    centres = [(50 + 5 * step, 60 + 2 * step) for step in range(25)]
    tracked_frames = track([frame_with(pts, centre) for pts, centre in enumerate(centres)])
    assert all(overlap(tracked.alpha, centre) > 0.8 for tracked, centre in zip(tracked_frames, centres, strict=True))


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("lag", [0, 3])
@pytest.mark.parametrize("look_ahead", [0, 2])
def test_a_scene_cut_resets_the_state(every, lag, look_ahead):
    """The full frame is seen, and no matte contains anything of the other scene."""
    old, new = (60, 60), (180, 110)
    frames = [frame_with(pts, old) for pts in range(8)] + [frame_with(pts, new, scene=1) for pts in range(8, 16)]
    device = BrightnessDevice()
    tracked_frames = track(frames, device, every=every, lag=lag, look_ahead=look_ahead)
    assert device.rois[device.times.index(8)] == FULL_FRAME
    for tracked in tracked_frames[:8]:
        assert tracked.alpha[disc(new, 20)].max() < 0.02
        assert overlap(tracked.alpha, old) > 0.85
    for tracked in tracked_frames[8:]:
        assert tracked.alpha[disc(old, 20)].max() < 0.02
        assert overlap(tracked.alpha, new) > 0.85


def test_two_scene_cuts_in_a_row():
    """Each scene is shorter than the frames held back: no ROI comes from the scene before."""
    old, new = (60, 60), (180, 110)
    frames = [frame_with(0, old), frame_with(1, new, scene=1), frame_with(2, old), frame_with(3, old)]
    device = BrightnessDevice()
    tracked_frames = track(frames, device, lag=3, look_ahead=2)
    assert device.rois == [FULL_FRAME] * 4
    assert all(overlap(tracked_frames[number].alpha, old) > 0.85 for number in (0, 2, 3))
    assert overlap(tracked_frames[1].alpha, new) > 0.85


@pytest.mark.parametrize("count", [0, 1, 3, 4, 20])
@pytest.mark.parametrize("lag", [0, 1, 3])
def test_every_frame_comes_out_once_and_in_order(lag, count):
    tracked_frames = track(STILL[:count], lag=lag)
    assert [tracked.frame.pts for tracked in tracked_frames] == list(range(count))
    assert all(tracked.alpha is not None for tracked in tracked_frames)


@pytest.mark.parametrize("lag", [1, 3])
def test_as_many_frames_are_started_as_may_be_in_flight(lag):
    """And no more: the first comes out when the next would be one too many."""
    motion, device = MotionEstimator(), BrightnessDevice()
    tracker = SubjectTracker(device, 0.5, lag=lag)
    counts = [len(tracker(motion(frame))) for frame in STILL[:8]]
    assert counts == [0] * lag + [1] * (8 - lag)
    assert device.times == list(range(8))


def test_a_lag_hardly_changes_the_mattes_and_repeated_runs_are_equal():
    centres = [(50 + 4 * step, 80) for step in range(20)]
    frames = [frame_with(pts, centre) for pts, centre in enumerate(centres)]
    at_once, lagged = track(frames), track(frames, lag=3)
    repeated = track(frames, lag=3)
    for first, second, third, centre in zip(at_once, lagged, repeated, centres, strict=True):
        assert np.abs(first.alpha - second.alpha).mean() < 0.02
        assert np.array_equal(second.alpha, third.alpha)
        assert overlap(second.alpha, centre) > 0.8


@pytest.mark.parametrize("lag", [0, 3])
def test_the_network_sees_only_every_third_frame(lag):
    centres = [(50 + 4 * step, 80) for step in range(18)]
    frames = [frame_with(pts, centre) for pts, centre in enumerate(centres[:10])]
    frames += [frame_with(pts, centre, scene=1) for pts, centre in enumerate(centres[10:], 10)]
    device = BrightnessDevice()
    tracked_frames = track(frames, device, every=3, lag=lag)
    assert device.times == [0, 3, 6, 9, 10, 13, 16]
    assert all(overlap(tracked.alpha, centre) > 0.8 for tracked, centre in zip(tracked_frames, centres, strict=True))


def test_two_subjects_are_both_tracked():
    centres = [((45 + step, 60), (195 - step, 100)) for step in range(18)]
    device = BrightnessDevice()
    tracked_frames = track([frame_with(pts, *pair) for pts, pair in enumerate(centres)], device)
    for tracked, pair in zip(tracked_frames, centres, strict=True):
        assert all(tracked.alpha[disc(centre, 18)].min() > 0.8 for centre in pair)


def test_a_subject_that_leaves_the_frame_leaves_no_matte():
    centres = [(60 - 12 * step, 80) for step in range(10)]
    frames = [frame_with(pts, centre) for pts, centre in enumerate(centres)]
    frames += [frame_with(pts) for pts in range(10, 20)]
    device = BrightnessDevice()
    tracked_frames = track(frames, device)
    assert tracked_frames[0].alpha.max() > 0.9
    assert all(tracked.alpha.max() < 0.3 for tracked in tracked_frames[12:])
    assert tracked_frames[-1].alpha.max() < 0.1
    assert device.rois[-1] == FULL_FRAME


@pytest.mark.parametrize("steady", [0.0, 0.5, 1.0])
def test_a_subject_that_disappears_in_place_leaves_no_matte(steady):
    frames = [frame_with(pts, (80, 80)) for pts in range(5)] + [frame_with(pts) for pts in range(5, 30)]
    tracked_frames = track(frames, steady=steady)
    assert tracked_frames[-1].alpha.max() < 0.1


def test_a_second_subject_is_found_before_the_next_scheduled_full_frame():
    """It enters far from the ROI of the first."""
    first, radius = (45, 80), 30
    second = [(270 - 15 * step, 80) for step in range(7)]
    frames = [frame_with(pts, first, radius=radius) for pts in range(14)]
    frames += [frame_with(pts, first, centre, radius=radius) for pts, centre in enumerate(second, 14)]
    device = BrightnessDevice()
    tracked_frames = track(frames, device)
    full_frames = [time for time, roi in zip(device.times, device.rois, strict=True) if roi == FULL_FRAME]
    assert full_frames[:2] == [0, 13]
    assert 14 < full_frames[2] <= 20
    assert tracked_frames[20].alpha[disc(second[6], 20)].mean() > 0.7


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("look_ahead", [0, 2, 5])
def test_every_smoothed_frame_comes_out_once_and_in_order(look_ahead, count):
    motion, tracker = MotionEstimator(), SubjectTracker(BrightnessDevice(), 0.5)
    smoother = LookAheadSmoother(look_ahead)
    outputs = [smoother(tracked) for frame in STILL[:count] for tracked in tracker(motion(frame))]
    assert [len(output) for output in outputs] == ([0] * look_ahead + [1] * count)[:count]
    smoothed_frames = [smoothed for output in outputs for smoothed in output] + list(smoother.finish())
    assert [smoothed.frame.pts for smoothed in smoothed_frames] == list(range(count))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_every_averaged_frame_comes_out_once_and_in_order(count):
    motion, tracker, averager = MotionEstimator(), SubjectTracker(BrightnessDevice(), 0.5), TemporalAverager()
    outputs = [averager(tracked) for frame in STILL[:count] for tracked in tracker(motion(frame))]
    assert [len(output) for output in outputs] == [0, 1, 1, 1, 1][:count]
    averaged_frames = [averaged for output in outputs for averaged in output]
    averaged_frames += [*averager.finish(), *averager.finish()]
    assert [averaged.frame.pts for averaged in averaged_frames] == list(range(count))


def test_an_average_stays_within_its_scene():
    luma, alphas = np.full((90, 160), 60, np.float32), [np.full((90, 160), alpha, np.float32) for alpha in (0, 1)]
    first, second = (TrackedFrame(STILL[0], luma, None, alpha=alpha) for alpha in alphas)
    averager = TemporalAverager()
    averaged_frames = [*averager(first), *averager(second), *averager.finish()]
    assert [averaged.alpha.mean() for averaged in averaged_frames] == pytest.approx((ALPHA_LOW, ALPHA_HIGH))


class FlickeringDevice(BrightnessDevice):
    """Saliency is reduced to 0.55 in every second frame."""

    def prepare(self, frame, inference):
        return super().prepare(frame, inference) * (0.55 if frame.pts % 2 else 1.0)


def test_flicker_is_reduced_by_the_filter_and_further_by_look_ahead():
    changes = []
    for steady, look_ahead in ((0.0, 0), (0.5, 0), (0.5, 2)):
        tracked_frames = track(STILL[:16], FlickeringDevice(), steady=steady, look_ahead=look_ahead)
        mattes = np.array([tracked.alpha for tracked in tracked_frames[3:-3]])
        changes.append(np.abs(np.diff(mattes, axis=0))[:, disc((80, 80), 18)].mean())
    assert changes[0] > 0.3
    assert changes[1] < 0.5 * changes[0]
    assert changes[2] < changes[1]


def test_at_steady_0_each_matte_is_the_observation_of_its_frame():
    centres = [(50 + 6 * step, 80) for step in range(6)]
    frames = [frame_with(pts, centre) for pts, centre in enumerate(centres)]
    tracked_frames = track(frames, FlickeringDevice(), steady=0.0)
    for tracked, centre in zip(tracked_frames, centres, strict=True):
        observed = 1.0 if tracked.frame.pts % 2 == 0 else (0.55 - SALIENCY_LOW) / (SALIENCY_HIGH - SALIENCY_LOW)
        assert np.allclose(tracked.alpha[disc(centre, 15)], observed, atol=0.02)


class AllSalientDevice(BrightnessDevice):
    """Finds every pixel salient."""

    def prepare(self, frame, inference):
        return np.ones_like(super().prepare(frame, inference))


def flat_frame(pts, noise=0):
    luma = 100 + np.random.default_rng(pts).integers(-noise, noise + 1, (HEIGHT, WIDTH))
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return Frame((luma.astype(np.uint8), chroma, chroma), PixelFormat.parse("yuv420p"), pts, Fraction(1, 25))


def test_an_empty_scene_has_an_empty_matte():
    device = BrightnessDevice()
    tracked_frames = track([frame_with(pts) for pts in range(6)], device, look_ahead=2)
    assert all(tracked.alpha.max() == 0 for tracked in tracked_frames)
    assert device.rois == [FULL_FRAME] * 6


def test_a_frame_without_content_has_an_empty_matte_whatever_the_network_finds():
    assert all(tracked.alpha.max() == 0 for tracked in track([flat_frame(pts) for pts in range(4)], AllSalientDevice()))


def test_a_covered_lens_empties_the_matte_at_once():
    tracked_frames = track([*STILL[:5], *[flat_frame(pts) for pts in range(5, 9)]], AllSalientDevice(), look_ahead=2)
    assert tracked_frames[2].alpha.min() > 0.9
    assert all(tracked.alpha.max() < 0.05 for tracked in tracked_frames[5:])


def near_frame(pts, scene=0):
    """A large disc that the lower border cuts off."""
    return frame_with(pts, (120, 130), radius=75, scene=scene)


def test_a_near_subject_is_seen_in_the_smaller_input_once_both_have_been_tried():
    device = BrightnessDevice(INPUT_SIZES)
    track([near_frame(pts) for pts in range(16)], device)
    assert device.seen_at == [NEAR_INPUT_SIZE, 320, *[NEAR_INPUT_SIZE] * 15]


def test_it_is_counted_what_the_subject_is_taken_for():
    figures = SubjectFigures()
    track([near_frame(pts) for pts in range(6)], BrightnessDevice(INPUT_SIZES), figures=figures)
    assert (figures.inferences, figures.near, figures.people) == (6, 6, 0)
    assert str(figures) == "a near subject in 100 % of the inferences"
    assert str(SubjectFigures(9)) == ""
    assert str(SubjectFigures(8, near=4, people=3)) == "people near the camera in 50 % of the inferences"


def test_a_subject_that_is_not_near_is_seen_in_the_smaller_input_once_a_scene():
    device = BrightnessDevice(INPUT_SIZES)
    track([*STILL[:6], *[frame_with(pts, (80, 80), scene=1) for pts in range(6, 12)]], device)
    assert device.seen_at == [NEAR_INPUT_SIZE, *[320] * 6] * 2


def test_a_subject_that_comes_near_is_seen_in_the_smaller_input_after_the_next_choice():
    radii = [*range(25, 75, 5), *[75] * 40]
    device = BrightnessDevice(INPUT_SIZES)
    track([frame_with(pts, (120, 80 + radius // 2), radius=radius) for pts, radius in enumerate(radii)], device)
    assert device.seen_at[:11] == [NEAR_INPUT_SIZE, *[320] * 10]
    assert set(device.seen_at[-10:]) == {NEAR_INPUT_SIZE}


class FacesDevice(BrightnessDevice):
    """Finds only a part of a near subject in the smaller input."""

    def prepare(self, frame, inference):
        saliency = super().prepare(frame, inference)
        if inference.size == NEAR_INPUT_SIZE:
            saliency[:, ::4] = 0
        return saliency


def test_the_smaller_input_is_left_where_less_of_the_subject_is_found_in_it():
    device = FacesDevice(INPUT_SIZES)
    track([near_frame(pts) for pts in range(6)], device)
    assert device.seen_at == [NEAR_INPUT_SIZE, *[320] * 6]
