"""The way of a matte through time, with a network that sees what is bright."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from streamseg.pipelines.follow import Follower, Shot, Watcher
from streamseg.pipelines.settle import Evener, Settler

from streamseg.frame import Frame, PixelFormat
from streamseg.matting.boxes import WHOLE
from streamseg.matting.looks import Looks
from streamseg.matting.steady import LEVELS, LIMITS
from streamseg.media.scale import PlaneScaler

WIDTH, HEIGHT = 240, 160


class Bright:
    """A device for which bright things are salient; remembers where it looked."""

    def __init__(self):
        self.looks = []
        self.times = []

    def prepare(self, frame, look):
        self.looks.append(look.box)
        self.times.append(frame.pts)
        left, top, right, bottom = look.box.pixels(frame.width, frame.height)
        mask = np.where(frame.planes[0][top:bottom, left:right] > 185, 255, 0).astype(np.uint8)
        return PlaneScaler()(mask, 32, 32).astype(np.float32) / 255

    def network(self, prepared):
        return prepared

    def saliency(self, begun):
        return begun


def texture(rows, columns, across=0.0, down=0.0, seed=1):
    """A smooth random picture moved right and down."""
    rng = np.random.default_rng(seed)
    x, y = np.arange(columns) - across, np.arange(rows)[:, None] - down
    total = np.zeros((rows, columns))
    for length, angle, phase in zip(np.geomspace(10, 150, 40), *rng.uniform(0, 2 * np.pi, (2, 40)), strict=True):
        total += length**0.5 * np.cos((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + phase)
    return total / total.std()


def disc(centre, radius=25, size=(WIDTH, HEIGHT)):
    return np.hypot(np.arange(size[0]) - centre[0], (np.arange(size[1]) - centre[1])[:, None]) < radius


BACKDROPS = [np.clip(90 + 28 * texture(HEIGHT, WIDTH, seed=seed), 16, 170) for seed in (1, 2)]


def picture(pts, *centres, scene=0, radius=25):
    """Bright textured balls before a dark texture."""
    luma = BACKDROPS[scene].copy()
    for number, (x, y) in enumerate(centres):
        ball = np.clip(220 + 8 * texture(HEIGHT, WIDTH, x, y, seed=10 + number), 195, 245)
        luma = np.where(disc((x, y), radius), ball, luma)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    planes = (np.rint(luma).astype(np.uint8), chroma, chroma)
    return Frame(planes, PixelFormat.parse("yuv420p"), pts, Fraction(1, 25))


def follow(frames, device=None, steady=0.5, every=1, lag=0, look_ahead=0):
    """Every shot, in the order in which they come out."""
    watch, follower, settler = Watcher(), Follower(device or Bright(), steady, Looks(every), lag), Settler(look_ahead)
    followed = [shot for frame in frames for shot in follower(watch(frame))] + list(follower.finish())
    return [shot for item in followed for shot in settler(item)] + list(settler.finish())


def overlap(alpha, *centres, radius=25):
    """Intersection over union of the matte and the balls."""
    truth = np.any([disc(centre, radius) for centre in centres], axis=0)
    found = alpha > 0.5
    return np.count_nonzero(found & truth) / np.count_nonzero(found | truth)


STILL = [picture(pts, (80, 80)) for pts in range(30)]


def test_the_whole_frame_first_then_the_subject():
    device = Bright()
    shots = follow(STILL[:8], device)
    assert device.looks[0] == WHOLE
    for box in device.looks[1:]:
        left, top, right, bottom = box.pixels(WIDTH, HEIGHT)
        assert left < 55
        assert right > 105
        assert top < 55
        assert bottom > 105
        assert (right - left) * (bottom - top) < 0.5 * WIDTH * HEIGHT
    assert overlap(shots[-1].alpha, (80, 80)) > 0.9


def test_the_whole_frame_again_from_time_to_time():
    device = Bright()
    follow(STILL, device)
    wholes = [time for time, box in zip(device.times, device.looks, strict=True) if box == WHOLE]
    assert len(wholes) == 3
    assert np.all(np.diff(wholes) == 13)


def test_a_subject_that_moves_is_kept():
    places = [(50 + 5 * step, 60 + 2 * step) for step in range(25)]
    shots = follow([picture(pts, place) for pts, place in enumerate(places)])
    assert all(overlap(shot.alpha, place) > 0.8 for shot, place in zip(shots, places, strict=True))


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("lag", [0, 3])
@pytest.mark.parametrize("look_ahead", [0, 2])
def test_a_cut_starts_anew(every, lag, look_ahead):
    """The whole is looked at, and nothing of one scene is in the mattes of the other."""
    old, new = (60, 60), (180, 110)
    frames = [picture(pts, old) for pts in range(8)] + [picture(pts, new, scene=1) for pts in range(8, 16)]
    device = Bright()
    shots = follow(frames, device, every=every, lag=lag, look_ahead=look_ahead)
    assert device.looks[device.times.index(8)] == WHOLE
    for shot in shots[:8]:
        assert shot.alpha[disc(new, 20)].max() < 0.02
        assert overlap(shot.alpha, old) > 0.85
    for shot in shots[8:]:
        assert shot.alpha[disc(old, 20)].max() < 0.02
        assert overlap(shot.alpha, new) > 0.85


def test_two_cuts_in_a_row():
    """Each scene is shorter than what is held back: no crop comes from the one before."""
    frames = [picture(0, (60, 60)), picture(1, (180, 110), scene=1), picture(2, (60, 60)), picture(3, (60, 60))]
    device = Bright()
    shots = follow(frames, device, lag=3, look_ahead=2)
    assert device.looks == [WHOLE] * 4
    assert all(overlap(shots[place].alpha, (60, 60)) > 0.85 for place in (0, 2, 3))
    assert overlap(shots[1].alpha, (180, 110)) > 0.85


@pytest.mark.parametrize("count", [0, 1, 3, 4, 20])
@pytest.mark.parametrize("lag", [0, 1, 3])
def test_every_frame_comes_out_once_and_in_order(lag, count):
    shots = follow(STILL[:count], lag=lag)
    assert [shot.frame.pts for shot in shots] == list(range(count))
    assert all(shot.alpha is not None for shot in shots)


@pytest.mark.parametrize("lag", [1, 3])
def test_as_many_frames_are_begun_as_may_be_in_flight(lag):
    """And no more: the first comes out when the next would be one too many."""
    watch, device = Watcher(), Bright()
    follower = Follower(device, 0.5, lag=lag)
    given = [len(follower(watch(frame))) for frame in STILL[:8]]
    assert given == [0] * lag + [1] * (8 - lag)
    assert device.times == list(range(8))


def test_with_a_lag_the_mattes_are_hardly_others():
    places = [(50 + 4 * step, 80) for step in range(20)]
    frames = [picture(pts, place) for pts, place in enumerate(places)]
    at_once, later = follow(frames), follow(frames, lag=3)
    again = follow(frames, lag=3)
    for first, second, third, place in zip(at_once, later, again, places, strict=True):
        assert np.abs(first.alpha - second.alpha).mean() < 0.02
        assert np.array_equal(second.alpha, third.alpha)
        assert overlap(second.alpha, place) > 0.8


@pytest.mark.parametrize("lag", [0, 3])
def test_the_network_sees_every_third_frame_only(lag):
    places = [(50 + 4 * step, 80) for step in range(18)]
    frames = [picture(pts, place) for pts, place in enumerate(places[:10])]
    frames += [picture(pts, place, scene=1) for pts, place in enumerate(places[10:], 10)]
    device = Bright()
    shots = follow(frames, device, every=3, lag=lag)
    assert device.times == [0, 3, 6, 9, 10, 13, 16]
    assert all(overlap(shot.alpha, place) > 0.8 for shot, place in zip(shots, places, strict=True))


def test_two_subjects_are_both_kept():
    places = [((45 + step, 60), (195 - step, 100)) for step in range(18)]
    device = Bright()
    shots = follow([picture(pts, *both) for pts, both in enumerate(places)], device)
    for shot, both in zip(shots, places, strict=True):
        assert all(shot.alpha[disc(place, 18)].min() > 0.8 for place in both)


def test_a_subject_that_walks_out_leaves_nothing():
    places = [(60 - 12 * step, 80) for step in range(10)]
    frames = [picture(pts, place) for pts, place in enumerate(places)]
    frames += [picture(pts) for pts in range(10, 20)]
    device = Bright()
    shots = follow(frames, device)
    assert shots[0].alpha.max() > 0.9
    assert all(shot.alpha.max() < 0.3 for shot in shots[12:])
    assert shots[-1].alpha.max() < 0.1
    assert device.looks[-1] == WHOLE


@pytest.mark.parametrize("steady", [0.0, 0.5, 1.0])
def test_a_subject_that_vanishes_in_place_leaves_nothing(steady):
    frames = [picture(pts, (80, 80)) for pts in range(5)] + [picture(pts) for pts in range(5, 30)]
    shots = follow(frames, steady=steady)
    assert shots[-1].alpha.max() < 0.1


def test_somebody_entering_a_still_scene_is_found_before_the_next_look_on_schedule():
    """The one who is there is followed far from where the other comes in."""
    stay, radius = (45, 80), 30
    coming = [(270 - 15 * step, 80) for step in range(7)]
    frames = [picture(pts, stay, radius=radius) for pts in range(14)]
    frames += [picture(pts, stay, place, radius=radius) for pts, place in enumerate(coming, 14)]
    device = Bright()
    shots = follow(frames, device)
    wholes = [time for time, box in zip(device.times, device.looks, strict=True) if box == WHOLE]
    assert wholes[:2] == [0, 13]
    assert 14 < wholes[2] <= 20
    assert shots[20].alpha[disc(coming[6], 20)].mean() > 0.7


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("look_ahead", [0, 2, 5])
def test_settled_frames_are_all_there_and_in_order(look_ahead, count):
    watch, follower, settler = Watcher(), Follower(Bright(), 0.5), Settler(look_ahead)
    given = [settler(shot) for frame in STILL[:count] for shot in follower(watch(frame))]
    assert [len(shots) for shots in given] == ([0] * look_ahead + [1] * count)[:count]
    shots = [shot for some in given for shot in some] + list(settler.finish())
    assert [shot.frame.pts for shot in shots] == list(range(count))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_evened_frames_are_all_there_and_in_order(count):
    watch, follower, even = Watcher(), Follower(Bright(), 0.5), Evener()
    given = [even(shot) for frame in STILL[:count] for shot in follower(watch(frame))]
    assert [len(shots) for shots in given] == [0, 1, 1, 1, 1][:count]
    shots = [shot for some in given for shot in some] + list(even.finish()) + list(even.finish())
    assert [shot.frame.pts for shot in shots] == list(range(count))


def test_a_mean_stays_within_its_scene():
    picture, levels = np.full((90, 160), 60, np.float32), (0, 1)
    shots = [Shot(STILL[0], picture, None, alpha=np.full((90, 160), level, np.float32)) for level in levels]
    even = Evener()
    done = [*even(shots[0]), *even(shots[1]), *even.finish()]
    assert [shot.alpha.mean() for shot in done] == pytest.approx(LIMITS)


class Flickering(Bright):
    """Loses half of what it sees in every other frame."""

    def prepare(self, frame, look):
        return super().prepare(frame, look) * (0.55 if frame.pts % 2 else 1.0)


def test_flicker_is_less_with_the_past_and_less_still_with_the_future():
    changes = []
    for steady, look_ahead in ((0.0, 0), (0.5, 0), (0.5, 2)):
        shots = follow(STILL[:16], Flickering(), steady=steady, look_ahead=look_ahead)
        mattes = np.array([shot.alpha for shot in shots[3:-3]])
        changes.append(np.abs(np.diff(mattes, axis=0))[:, disc((80, 80), 18)].mean())
    assert changes[0] > 0.3
    assert changes[1] < 0.5 * changes[0]
    assert changes[2] < changes[1]


def test_every_frame_by_itself_is_what_the_network_saw():
    places = [(50 + 6 * step, 80) for step in range(6)]
    shots = follow([picture(pts, place) for pts, place in enumerate(places)], Flickering(), steady=0.0)
    for shot, place in zip(shots, places, strict=True):
        seen = 1.0 if shot.frame.pts % 2 == 0 else (0.55 - LEVELS[0]) / (LEVELS[1] - LEVELS[0])
        assert np.allclose(shot.alpha[disc(place, 15)], seen, atol=0.02)


class Everything(Bright):
    """Finds all of every picture salient."""

    def prepare(self, frame, look):
        return np.ones_like(super().prepare(frame, look))


def flat(pts, grain=0):
    luma = 100 + np.random.default_rng(pts).integers(-grain, grain + 1, (HEIGHT, WIDTH))
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return Frame((luma.astype(np.uint8), chroma, chroma), PixelFormat.parse("yuv420p"), pts, Fraction(1, 25))


def test_an_empty_scene_has_an_empty_matte():
    device = Bright()
    shots = follow([picture(pts) for pts in range(6)], device, look_ahead=2)
    assert all(shot.alpha.max() == 0 for shot in shots)
    assert device.looks == [WHOLE] * 6


def test_a_picture_of_nothing_has_an_empty_matte_whatever_the_network_says():
    assert all(shot.alpha.max() == 0 for shot in follow([flat(pts) for pts in range(4)], Everything()))


def test_a_covered_lens_after_a_subject_is_empty_at_once():
    shots = follow([*STILL[:5], *[flat(pts) for pts in range(5, 9)]], Everything(), look_ahead=2)
    assert shots[2].alpha.min() > 0.9
    assert all(shot.alpha.max() < 0.05 for shot in shots[5:])
