"""A chosen subject as users get it: videos of coloured discs, with a network for which bright pixels are salient."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from streamseg.pipelines.stages.choosing import Seen, chosen_alpha, chosen_matting
from streamseg.pipelines.stages.matting import cut_outs
from streamseg.pipelines.stages.motion import MotionEstimator
from streamseg.pipelines.stages.options import Matting, device_for
from streamseg.pipelines.stages.tracking import SubjectTracker

from streamseg.device.cpu.matting.backend import best_backend
from streamseg.errors import OptionError
from streamseg.frame import Frame, PixelFormat
from streamseg.matting.arrays import resize
from streamseg.matting.choosing.choice import SubjectBox, SubjectChoice, SubjectPoint
from streamseg.matting.temporal.filter import grid_shape
from streamseg.matting.tracking.inference import FULL_FRAME_INFERENCE
from streamseg.matting.tracking.roi import FULL_FRAME
from streamseg.media.pixels.scale import PlaneScaler

WIDTH, HEIGHT = 240, 160
RED, BLUE = (90, 190), (190, 90)


class BrightnessDevice:
    """Bright pixels are salient; records what was seen."""

    name, sizes, subject = "cpu", (320,), "any"

    def __init__(self):
        self.rois = []

    def prepare(self, frame, inference):
        self.rois.append(inference.roi)
        left, top, right, bottom = inference.roi.pixels(frame.width, frame.height)
        mask = np.where(frame.planes[0][top:bottom, left:right] > 185, 255, 0).astype(np.uint8)
        return PlaneScaler()(mask, 64, 64).astype(np.float32) / 255

    def network(self, prepared):
        return prepared

    def saliency(self, pending):
        return pending

    def person_map(self, pending):
        return None


def disc(centre, radius=22):
    return np.hypot(np.arange(WIDTH) - centre[0], np.arange(HEIGHT)[:, None] - centre[1]) < radius


def texture(number, across=0.0):
    """Smooth, of mean 0, moved to the right by that many pixels."""
    x, y = np.arange(WIDTH) - across, np.arange(HEIGHT)[:, None]
    return np.sin(x / (3.1 + number)) * np.cos(y / (4.3 - number / 2)) + np.sin((x + 2 * y) / (6 + number))


def frame_with(pts, *discs):
    """Bright textured discs, each (centre, chroma), the last one in front, over a dark texture."""
    luma = 90 + 20 * texture(0)
    blue, red = np.full((2, HEIGHT, WIDTH), 128.0)
    for number, (centre, chroma) in enumerate(discs, start=1):
        inside = disc(centre)
        luma = np.where(inside, 220 + 8 * texture(number, centre[0]), luma)
        blue, red = np.where(inside, chroma[0], blue), np.where(inside, chroma[1], red)
    planes = [luma, blue[::2, ::2], red[::2, ::2]]
    codes = tuple(np.ascontiguousarray(np.clip(plane, 16, 245).astype(np.uint8)) for plane in planes)
    return Frame(codes, PixelFormat.parse("yuv420p"), pts, Fraction(1, 25))


def overlap(alpha, truth):
    found = alpha > 0.5
    return np.count_nonzero(found & truth) / np.count_nonzero(found | truth)


def mattes(frames, subject, device=None, speed="best"):
    matting = Matting(edges=False, speed=speed, subject=subject)
    return [cutout.matte.as_float() for cutout in cut_outs(iter(frames), device or BrightnessDevice(), matting, lag=1)]


APART = [frame_with(pts, ((60 + pts, 80), RED), ((190 - pts, 80), BLUE)) for pts in range(12)]


@pytest.mark.parametrize("speed", ["best", "balanced"])
@pytest.mark.parametrize(("x", "start", "step"), [(60, 60, 1), (190, 190, -1)])
def test_the_one_at_the_point_stays_and_the_other_is_not_there(x, start, step, speed):
    for pts, matte in enumerate(mattes(APART, SubjectPoint(x, 80), speed=speed)):
        assert overlap(matte, disc((start + step * pts, 80))) > 0.85
        assert matte[disc((250 - start - step * pts, 80))].max() < 0.1


def test_the_network_looks_at_the_chosen_one_alone():
    device = BrightnessDevice()
    mattes([APART[0]] * 20, SubjectPoint(60, 80), device)
    around = device.rois[-10:]
    assert FULL_FRAME not in around and all(roi.left < 0.2 and 0.3 < roi.right < 0.6 for roi in around)


def test_nothing_is_looked_at_twice_without_a_choice():
    for subject in (None, "any", SubjectChoice()):
        device = BrightnessDevice()
        mattes(APART[:6], subject, device)
        assert len(device.rois) == 6


def test_an_excluded_one_is_taken_away_and_all_else_stays():
    three = [frame_with(pts, ((40, 80), RED), ((120, 80), BLUE), ((200, 80), RED)) for pts in range(8)]
    for matte in mattes(three, SubjectPoint(0.5, 0.5, keep=False)):
        assert overlap(matte, disc((40, 80)) | disc((200, 80))) > 0.85
        assert matte[disc((120, 80))].max() < 0.1


def test_of_a_touching_pair_the_point_and_the_excluded_point_take_one_each():
    pair = [frame_with(pts, ((100, 80), RED), ((135, 80), BLUE)) for pts in range(8)]
    marks = [SubjectPoint(90, 80), SubjectPoint(145, 80, keep=False)]
    for matte in mattes(pair, marks):
        assert overlap(matte, disc((100, 80)) & ~disc((135, 80))) > 0.75


def test_a_box_chooses_what_is_in_it():
    for matte in mattes(APART[:4], SubjectBox(0.6, 0.2, 0.39, 0.6)):
        assert matte[disc((190, 80), 15)].min() > 0.9 and matte[disc((60, 80))].max() < 0.1


def test_a_point_counts_from_its_time_on():
    still = [frame_with(pts, ((60, 80), RED), ((190, 80), BLUE)) for pts in range(12)]
    found = mattes(still, SubjectPoint(60, 80, time=6 / 25))
    assert overlap(found[2], disc((60, 80)) | disc((190, 80))) > 0.85
    for matte in found[7:]:
        assert overlap(matte, disc((60, 80))) > 0.85


def test_two_that_cross_keep_apart():
    red, blue = ([(start + step * pts, y) for pts in range(20)] for start, step, y in ((60, 6, 72), (180, -6, 88)))
    crossing = [frame_with(pts, (red[pts], RED), (blue[pts], BLUE)) for pts in range(20)]
    for centres in (red, blue):
        found = mattes(crossing, SubjectPoint(*centres[0]))
        for pts in (*range(7), *range(18, 20)):
            assert overlap(found[pts], disc(centres[pts])) > 0.7, pts


def test_the_largest_alone():
    large = [frame_with(pts, ((60, 80), RED), ((75, 80), RED), ((190, 80), BLUE)) for pts in range(6)]
    for matte in mattes(large, SubjectChoice(count=1)):
        assert overlap(matte, disc((60, 80)) | disc((75, 80))) > 0.85


def test_after_a_cut_the_chosen_one_is_known_by_its_colours():
    there = [frame_with(pts, ((60, 60), RED), ((170, 90), BLUE)) for pts in range(5)]
    planes = frame_with(0, ((185, 80), RED), ((50, 40), BLUE))
    inverted = Frame((255 - planes.planes[0] // 2, *planes.planes[1:]), planes.format, 5, planes.time_base)
    assert inverted.planes[0].min() > 100  # another scene: everything is brighter
    later = [frame_with(pts, ((185, 80), RED), ((50, 40), BLUE)) for pts in range(6, 12)]
    found = mattes([*there, inverted, *later], SubjectPoint(60, 60))
    assert overlap(found[-1], disc((185, 80))) > 0.85


def test_of_an_image_the_chosen_one_stays():
    device, backend = BrightnessDevice(), best_backend()
    shape = grid_shape(WIDTH, HEIGHT)

    def see(inference):
        inference = inference or FULL_FRAME_INFERENCE
        saliency = device.saliency(device.network(device.prepare(APART[0], inference)))
        return Seen(saliency, backend.observe(saliency, inference.roi, shape, 1.0), 1.0)

    for subject, wanted in (
        (SubjectPoint(60, 80), disc((60, 80))),
        (SubjectPoint(60, 80, keep=False), disc((190, 80))),
        (SubjectChoice(count=2), disc((60, 80)) | disc((190, 80))),
        (SubjectPoint(120, 80), np.zeros((HEIGHT, WIDTH), np.bool_)),
    ):
        alpha = chosen_alpha(SubjectChoice.of(subject), APART[0], see, backend)
        assert np.count_nonzero((alpha > 0.5) ^ wanted) < 0.1 * max(100, np.count_nonzero(wanted))
    with pytest.raises(OptionError, match=r"subject 240,80: outside the picture of 240×160 pixels"):
        chosen_alpha(SubjectChoice.of(SubjectPoint(240, 80)), APART[0], see, backend)


def test_live_another_is_chosen_and_all_again_while_it_runs():
    still = [frame_with(pts, ((60, 80), RED), ((190, 80), BLUE)) for pts in range(44)]
    tracker, motion, found = SubjectTracker(BrightnessDevice(), 0.5), MotionEstimator(), []
    marks = {4: (SubjectPoint(0.25, 0.5),), 12: (SubjectPoint(190, 80),), 20: (SubjectPoint(60, 80), True), 28: (None,)}
    for frame in still:
        if frame.pts in marks:
            tracker.choose(*marks[frame.pts])
        found += [resize(tracked.alpha, HEIGHT, WIDTH) for tracked in tracker(motion(frame))]
    left, right = disc((60, 80)), disc((190, 80))
    for pts, expected in ((3, left | right), (11, left), (19, right), (27, left | right), (43, left | right)):
        assert overlap(found[pts], expected) > 0.85, pts


def test_where_it_is_not_available():
    choice = SubjectChoice.of(SubjectPoint(0.5, 0.5))
    assert device_for(SubjectChoice(), "cuda") == "cuda" and device_for(choice, "auto") == "cpu"
    with pytest.raises(OptionError, match="cannot be chosen on a GPU; use the device cpu"):
        device_for(choice, "cuda")


def test_marks_after_the_end_are_refused():
    info = SimpleNamespace(frames=50, frame_rate=Fraction(25), shape=SimpleNamespace(width=240, height=160))
    with pytest.raises(OptionError, match=r"subject at 9 s: the video ends at 5\.0 s"):
        chosen_matting(Matting(), SubjectPoint(1, 1, time=9.0), 3.0, info)
    assert chosen_matting(Matting(), SubjectPoint(1, 1, time=4.0), 3.0, info).choice.marks[0].time == 1.0
