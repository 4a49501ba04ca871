"""Choosing the subject: marks, regions, the first inferences, and the selection from frame to frame, on made maps."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.errors import OptionError
from streamseg.matting.choosing.candidates import best_region, crops_around
from streamseg.matting.choosing.choice import PlacedMark, SubjectBox, SubjectChoice, SubjectPoint
from streamseg.matting.choosing.partition import firm
from streamseg.matting.choosing.regions import connected_regions
from streamseg.matting.choosing.selection import SubjectSelection
from streamseg.matting.motion.estimate import Motion
from streamseg.matting.temporal.filter import Observation
from streamseg.matting.tracking.roi import FULL_FRAME, ROI

ROWS, COLUMNS = 60, 100


def disc(x, y, radius=10):
    return np.hypot(np.arange(COLUMNS) - x, np.arange(ROWS)[:, None] - y) < radius


def seen(mask, roi=FULL_FRAME):
    left, top, right, bottom = roi.pixels(COLUMNS, ROWS)
    return Observation(mask[top:bottom, left:right].astype(np.float32), roi, (ROWS, COLUMNS))


def colours(*painted):
    """Bins of colours: 0 for the background, then a number for each mask."""
    bins = np.zeros((ROWS, COLUMNS), np.int32)
    for number, mask in enumerate(painted, start=1):
        bins[mask] = 600 * number
    return bins


def moved(across):
    flow = np.zeros((2, ROWS, COLUMNS), np.float32)
    flow[0] = -across
    return Motion(flow, np.ones((ROWS, COLUMNS), np.float32))


def overlap(found, truth):
    return np.count_nonzero(found & truth) / np.count_nonzero(found | truth)


def kept(selection, mask, bins):
    membership = selection.keep(seen(mask), bins)
    return (mask * (1 if membership is None else membership)) > 0.5


def test_fractions_are_floats_of_at_most_one_and_all_else_are_pixels():
    marks = (SubjectPoint(0.5, 0.25), SubjectPoint(0, 1), SubjectBox(10, 20, 30, 40), SubjectBox(0.5, 0.5, 0.5, 0.25))
    half, pixel, box, lower = SubjectChoice(marks=marks).placed(100, 80)
    assert (half.left, half.top) == (half.right, half.bottom) == (0.5, 0.25) and half.is_point
    assert (pixel.left, pixel.top) == pytest.approx((0.005, 1.5 / 80))  # the middle of the pixel
    assert (box.left, box.top, box.right, box.bottom) == (0.1, 0.25, 0.4, 0.75)
    assert (lower.right, lower.bottom) == (1, 0.75)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (SubjectPoint(100, 5), r"subject 100,5: outside the picture of 100×80 pixels"),
        (SubjectPoint(-0.1, 0.5, keep=False), r"exclude -0\.1,0\.5: outside"),
        (SubjectPoint(float("nan"), 0.5), "outside"),
        (SubjectBox(60, 5, 50, 10), r"subject box 60,5,50,10: outside"),
        (SubjectBox(60, 5, 0, 10), "expected a width and a height above 0"),
    ],
)
def test_marks_outside_the_picture_are_refused(mark, message):
    with pytest.raises(OptionError, match=message):
        SubjectChoice.of(mark).placed(100, 80)


def test_what_stands_for_a_choice():
    point = SubjectPoint(0.5, 0.5)
    assert SubjectChoice.of("person") == SubjectChoice("person") and SubjectChoice.of("any").is_automatic
    assert SubjectChoice.of(point) == SubjectChoice.of([point]) == SubjectChoice(marks=(point,))
    assert not SubjectChoice(count=1).is_automatic
    for wrong in (3, None, [], [0.5, 0.5]):
        with pytest.raises(OptionError, match="expected a kind, or SubjectPoint"):
            SubjectChoice.of(wrong)
    with pytest.raises(OptionError, match="expected all, largest or a number"):
        SubjectChoice(count=0)
    with pytest.raises(OptionError, match="say already which ones stay"):
        SubjectChoice(marks=(point,), count=2)


def test_times_count_from_the_start_of_the_part():
    choice = SubjectChoice(marks=(SubjectPoint(1, 1, time=5.0), SubjectPoint(2, 2))).later(3)
    assert [mark.time for mark in choice.marks] == [2.0, None]
    with pytest.raises(OptionError, match="at 2 s: before the part that starts at 3 s"):
        SubjectChoice(marks=(SubjectPoint(1, 1, time=2.0),)).later(3)


def test_regions_are_those_of_a_flood_fill():
    rng = np.random.default_rng(1)
    for rows, columns, share in ((1, 1, 1.0), (1, 9, 0.5), (17, 23, 0.55), (23, 17, 0.4), (8, 8, 0.0)):
        mask = rng.random((rows, columns)) < share
        regions, filled, count = connected_regions(mask), np.zeros(mask.shape, int), 0
        for row, column in np.argwhere(mask):
            waiting = [] if filled[row, column] else [(row, column)]
            count += bool(waiting)
            while waiting:
                row, column = waiting.pop()
                if 0 <= row < rows and 0 <= column < columns and mask[row, column] and not filled[row, column]:
                    filled[row, column] = count
                    waiting += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        assert regions.count == count and np.array_equal(regions.labels, filled)
        assert np.array_equal(regions.sums(), np.bincount(filled.ravel(), minlength=count + 1))


def test_parts_with_a_small_gap_are_one_region_but_the_gap_is_not_in_it():
    mask = np.zeros((5, 20), np.bool_)
    mask[:, 2:8] = mask[:, 10:14] = mask[:, 18:] = True
    regions = connected_regions(mask, gap=1)
    assert regions.count == 2
    assert np.array_equal(regions.labels > 0, mask) and regions.labels[0, 2] == regions.labels[0, 10]


def test_everything_belongs_to_the_nearer_seed():
    share = firm(disc(20, 30, 4), disc(80, 30, 4), False)
    assert share[30, 48] == 1 and share[30, 52] == 0 and 0 < share[30, 50] < 1
    nothing = np.zeros((ROWS, COLUMNS), np.bool_)
    assert np.all(firm(nothing, nothing, True) == 1) and np.all(firm(nothing, nothing, False) == 0)


def test_crops_lie_around_the_mark_and_inside_the_frame():
    for mark in (PlacedMark(0.02, 0.5, 0.02, 0.5), PlacedMark(0.6, 0.1, 0.9, 0.8)):
        first, *rois = crops_around(mark, 640, 360)
        assert first == FULL_FRAME and len(rois) >= 3
        for roi in rois:
            assert 0 <= roi.left <= mark.left and mark.right <= roi.right <= 1
            assert 0 <= roi.top <= mark.top and mark.bottom <= roi.bottom <= 1


def test_the_region_that_most_looks_agree_on_wins():
    mark = PlacedMark(0.3, 0.5, 0.3, 0.5)
    both, one, part = (
        disc(30, 30) | disc(70, 30) | (np.abs(np.arange(ROWS) - 30) < 2)[:, None],
        disc(30, 30),
        ROI(0.2, 0.35, 0.4, 0.65),
    )
    maps = [seen(both), seen(one, ROI(0.1, 0, 0.6, 1)), seen(one, ROI(0.15, 0.2, 0.5, 0.8)), seen(one, part)]
    alpha, index = best_region(mark, maps)
    assert index in (1, 2) and overlap(alpha > 0.5, one) > 0.95


def test_nothing_at_the_mark_is_nothing():
    alpha, index = best_region(PlacedMark(0.3, 0.5, 0.3, 0.5), [seen(disc(80, 30))])
    assert index is None and not alpha.any()


def test_a_box_takes_all_that_lies_in_it_for_the_most_part():
    alpha, _ = best_region(PlacedMark(0.1, 0.1, 0.62, 0.9), [seen(disc(20, 30) | disc(45, 30) | disc(75, 30, 14))])
    assert overlap(alpha > 0.5, disc(20, 30) | disc(45, 30)) > 0.9


def marked(one, other, keep=True, bins=None):
    selection = SubjectSelection(keep)
    nothing = np.zeros((ROWS, COLUMNS), np.float32)
    marks = (one.astype(np.float32), nothing) if keep else (nothing, one.astype(np.float32))
    selection.mark(*marks, (one | other).astype(np.float32), colours(one, other) if bins is None else bins)
    return selection


@pytest.mark.parametrize("keep", [True, False])
def test_of_two_that_move_apart_only_the_one_that_is_wanted_stays(keep):
    one, other = disc(30, 30), disc(60, 30)
    selection = marked(one, other, keep)
    for step in range(1, 10):
        one, other = disc(30, 30), disc(60 + 2 * step, 30)
        flow = moved(0)
        flow.flow[0, :, 45:] = -2
        selection.advance(flow)
        found = kept(selection, one | other, colours(one, other))
        assert overlap(found, one if keep else other) == 1


def test_two_that_touch_are_divided_by_their_colours():
    one, other = disc(30, 30), disc(70, 30)
    selection = marked(one, other)
    for step in range(1, 16):
        one, other = disc(30 + step, 30), disc(70 - step, 30)
        flow = moved(-1)
        flow.flow[0][one] = -1
        selection.advance(flow)
        found = kept(selection, one | other, colours(one, other & ~one))
    assert connected_regions(one | other).count == 1
    assert overlap(found, one) > 0.9


def divided(post):
    """A long body, and a part of it in front of which something thin stands: which parts are seen, and the colours."""
    body = disc(40, 30, 14) | disc(58, 30, 10)
    body[:, post : post + 4] = False
    left, right = body.copy(), body.copy()
    left[:, post:], right[:, :post] = False, False
    return left, right, body


def test_a_part_that_something_thin_divides_off_belongs_to_the_subject():
    left, right, body = divided(52)
    selection = SubjectSelection(True)
    nothing, found = np.zeros((ROWS, COLUMNS), np.float32), body.astype(np.float32)
    parts = selection.mark(left.astype(np.float32), nothing, found, colours(body))
    assert np.array_equal(parts, right)
    for post in range(54, 62, 2):
        *_, body = divided(post)
        selection.advance(moved(0))
        found = kept(selection, body, colours(body))
    assert overlap(found, body) > 0.98


def test_whoever_stands_close_to_the_subject_is_no_part_of_it():
    one, other = disc(30, 30), disc(52, 30)  # two cells apart
    selection = marked(one, other)
    for _ in range(3):
        selection.advance(moved(0))
        assert overlap(kept(selection, one | other, colours(one, other)), one) == 1


def test_twins_that_touch_keep_apart():
    one, other = disc(30, 30), disc(70, 30)
    selection = marked(one, other, bins=colours(one | other))
    for step in range(1, 13):
        one, other = disc(30 + step, 30), disc(70 - step, 30)
        flow = moved(-1)
        flow.flow[0][one] = -1
        selection.advance(flow)
        found = kept(selection, one | other, colours(one | other))
    assert connected_regions(one | other, 1).count == 1
    assert overlap(found, one) > 0.8


def test_a_subject_that_was_hidden_is_found_again_by_its_colours():
    one, other, nothing = disc(20, 30), disc(80, 30), np.zeros((ROWS, COLUMNS), np.bool_)
    selection = marked(one, other)
    for _ in range(25):
        selection.advance(moved(0))
        assert not kept(selection, other, colours(nothing, other)).any()
    assert selection.lost
    back = disc(45, 30)
    for _ in range(3):
        selection.advance(moved(0))
        found = kept(selection, back | other, colours(back, other))
    assert overlap(found, back) > 0.95 and not selection.lost


def test_a_stranger_is_not_taken_for_the_hidden_subject():
    one, other, nothing = disc(20, 30), disc(80, 30), np.zeros((ROWS, COLUMNS), np.bool_)
    selection = marked(one, other)
    for _ in range(25):
        selection.advance(moved(0))
        kept(selection, other, colours(nothing, other))
    stranger = disc(20, 30)
    for _ in range(5):
        selection.advance(moved(0))
        assert not kept(selection, stranger | other, colours(nothing, other, stranger)).any()


def test_the_largest_ones_stay_and_another_comes_in_when_one_has_left():
    large, middle, small = disc(20, 30, 12), disc(52, 30, 10), disc(82, 30, 8)
    for count, expected in ((1, large), (2, large | middle), (5, large | middle | small)):
        selection = SubjectSelection(False, count)
        for _ in range(3):
            selection.advance(moved(0))
            found = kept(selection, large | middle | small, colours(large, middle, small))
            assert overlap(found, expected) == 1
    selection = SubjectSelection(False, 1)
    for shown in [large | middle] * 3 + [middle] * 12 + [large | middle] * 3:
        selection.advance(moved(0))
        found = kept(selection, shown, colours(large, middle))
    assert overlap(found, middle) == 1  # the one that was there stays, though it is smaller
