"""The newest frame in, its own composite out."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from threading import Event, Thread

import numpy as np
import pytest
from streamseg.pipelines.live import LiveLine, LiveSettings, open_live_device
from streamseg.pipelines.scenery import LIVE_FORMAT

from streamseg.errors import InputError, OptionError, StageError
from streamseg.frame import Colour, Frame
from streamseg.matting.composite import composite_into
from streamseg.media.clock import LIVE_TIME_BASE
from streamseg.media.native import allocate
from streamseg.media.reader import VideoReader

PATIENCE = 60


class Gate:
    """A device whose network waits for a gate; it sees a subject in the middle."""

    name = "gate"

    def __init__(self):
        self.open = Event()
        self.failure = None

    def prepare(self, frame, look=None):
        return None

    def network(self, prepared):
        return self

    def saliency(self, begun):
        assert self.open.wait(PATIENCE)
        if self.failure is not None:
            raise self.failure
        saliency = np.zeros((320, 320), np.float32)
        saliency[80:240, 80:240] = 1
        return saliency

    def composite(self, frame, matte, background):
        out = allocate(frame)
        composite_into(out, frame, matte, background)
        return out


@pytest.fixture
def gate():
    device = Gate()
    device.open.set()  # for the look that is measured
    return device


def noise(number, clock, width=64, height=48):
    rng = np.random.default_rng(number)
    planes = tuple(rng.integers(16, 236, shape, np.uint8) for shape in LIVE_FORMAT.shapes(width, height))
    return Frame(planes, LIVE_FORMAT, clock.pts(), LIVE_TIME_BASE, Colour(1, 1, 1, 1))


@pytest.fixture(scope="module")
def clip(sample_clip):
    with VideoReader(str(sample_clip)) as reader:
        return [item for item in islice(reader, 12) if isinstance(item, Frame)]


def stamped(frame, clock):
    return replace(frame, pts=clock.pts(), time_base=LIVE_TIME_BASE)


def test_each_composite_is_made_of_its_own_frame(clip):
    settings = LiveSettings("#00ff00", edges=False)
    with LiveLine(open_live_device(settings), settings) as line:
        sent = {}
        for frame in clip:
            frame = stamped(frame, line.clock)
            sent[frame.pts] = frame
            line.put(frame)
            shown = line.get(PATIENCE)
            assert shown.frame.time_base == LIVE_TIME_BASE
            subject = shown.matte.alpha == 255
            assert subject.mean() > 0.1
            source = sent[shown.frame.pts]
            assert np.array_equal(shown.frame.planes[0][subject], source.planes[0][subject])
        figures = line.figures
    assert figures.arrived == figures.shown == len(clip)
    assert figures.lost == 0
    assert 0 < figures.age_median <= figures.age_95


def test_where_it_is_too_slow_the_newest_is_next_and_nothing_queues(gate):
    with LiveLine(gate, LiveSettings("black")) as line:
        gate.open.clear()
        alive = []
        for number in range(60):
            frame = noise(number, line.clock)
            alive.append(weakref.ref(frame.planes[0]))
            line.put(frame)
            newest = frame.pts
            del frame
        gc.collect()
        assert sum(reference() is not None for reference in alive) <= 6
        gate.open.set()
        times = []
        while not times or times[-1] != newest:
            times.append(line.get(PATIENCE).frame.pts)
        assert times == sorted(set(times))
        assert len(times) <= 4  # three in flight, and the newest
        assert line.figures.lost >= 56


def test_a_failure_reaches_who_waits_and_the_threads_end(gate):
    line = LiveLine(gate, LiveSettings("black"))
    gate.failure = ValueError("out of memory")
    line.put(noise(0, line.clock))
    with pytest.raises(StageError, match="steady: out of memory"):
        line.get(PATIENCE)
    line.put(noise(1, line.clock))
    line.close()
    line.close()


def test_a_camera_that_fails_gives_its_last_frames_first(gate):
    with LiveLine(gate, LiveSettings("black")) as line:
        line.put(noise(0, line.clock))
        assert line.get(PATIENCE) is not None
        line.end(InputError("no such camera"))
        with pytest.raises(StageError) as caught:
            line.get(PATIENCE)
        assert isinstance(caught.value.plain, InputError)


def test_after_the_end_there_is_nothing_more(gate):
    with LiveLine(gate, LiveSettings("black")) as line:
        assert line.get(0) is None
        line.end()
        assert line.get(PATIENCE) is None


def test_settings_change_while_it_runs(gate):
    with LiveLine(gate, LiveSettings("black")) as line:
        line.change(background="white", steady=0.9, edges=False)
        line.put(noise(0, line.clock))
        assert line.get(PATIENCE).frame.planes[0][0, 0] == 235
        assert line.settings == LiveSettings("white", 0.9, edges=False)


def test_a_setting_changed_while_a_background_opens_is_kept(gate, monkeypatch):
    with LiveLine(gate, LiveSettings("black")) as line:
        opening, go_on = Event(), Event()

        def slow(background):
            opening.set()
            assert go_on.wait(PATIENCE)

        monkeypatch.setattr(line._scenery, "change", slow)
        opener = Thread(target=lambda: line.change(background="white"))
        opener.start()
        assert opening.wait(PATIENCE)
        line.change(steady=0.9)
        go_on.set()
        opener.join(PATIENCE)
        assert line.settings == LiveSettings("white", 0.9)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"background": "nowhere.jpg"}, InputError),
        ({"steady": 2}, OptionError),
        ({"speed": "best"}, OptionError),
        ({"colour": "red"}, OptionError),
    ],
)
def test_settings_that_cannot_be_had_change_nothing(gate, wrong, error):
    with LiveLine(gate, LiveSettings("black")) as line:
        before = line.settings
        with pytest.raises(error):
            line.change(steady=0.1, **wrong) if "steady" not in wrong else line.change(**wrong)
        assert line.settings == before


def test_pictures_may_change_their_size(gate):
    with LiveLine(gate, LiveSettings("blur")) as line:
        for width, height in [(64, 48), (128, 72), (64, 48)]:
            line.put(noise(width, line.clock, width, height))
            shown = line.get(PATIENCE)
            assert (shown.frame.width, shown.frame.height) == (width, height)


@pytest.mark.parametrize("speed, every", [("best", 1), ("balanced", 2)])
def test_a_speed_by_name_has_its_cadence(gate, speed, every):
    with LiveLine(gate, LiveSettings("black", speed=speed)) as line:
        for number in range(4):
            line.put(noise(number, line.clock))
            assert line.get(PATIENCE)
        assert line.figures.every == every


def test_an_unknown_speed_is_refused():
    with pytest.raises(OptionError, match="warp"):
        LiveSettings(speed="warp")


def test_streams_with_one_network_each_get_their_own_mattes(clip):
    """Two lines share a network; what they see does not mix."""
    settings = LiveSettings("#00ff00", edges=False)
    device = open_live_device(settings)
    grey = replace(clip[0], planes=tuple(np.full_like(plane, 128) for plane in clip[0].planes), native=None)
    with LiveLine(device, settings) as person, LiveLine(device.another(), settings) as nobody:
        for frame in clip:
            person.put(stamped(frame, person.clock))
            nobody.put(stamped(grey, nobody.clock))
            assert (person.get(PATIENCE).matte.alpha == 255).mean() > 0.1
            assert not nobody.get(PATIENCE).matte.alpha.any()


def test_ages_are_counted_from_when_the_frame_was_taken(gate):
    with LiveLine(gate, LiveSettings("black")) as line:
        frame = noise(0, line.clock)
        line.put(replace(frame, pts=frame.pts - round(Fraction(2) / LIVE_TIME_BASE)))
        line.get(PATIENCE)
        assert line.figures.age_last >= 2
