"""The live pipeline: the newest frame in, its own composite out."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from threading import Event, Thread

import numpy as np
import pytest
from streamseg.pipelines.live import LivePipeline, LiveSettings, open_live_device
from streamseg.pipelines.stages.live_background import LIVE_FORMAT
from streamseg.pipelines.stages.matting import cut_outs
from streamseg.pipelines.stages.options import Matting

from streamseg.errors import InputError, OptionError, StageError
from streamseg.frame import Colour, Frame
from streamseg.matting.compositing.over import composite_into
from streamseg.media.live.clock import LIVE_TIME_BASE
from streamseg.media.pixels.native import allocate
from streamseg.media.reading.reader import VideoReader

TIMEOUT_S = 60


class BlockingDevice:
    """A device whose network waits until it is ``open``; it finds a subject in the middle."""

    name, sizes, subject = "blocking", (320,), "any"

    def __init__(self):
        self.open = Event()
        self.failure = None

    def prepare(self, frame, inference=None):
        return None

    def network(self, prepared):
        return self

    def saliency(self, pending):
        assert self.open.wait(TIMEOUT_S)
        if self.failure is not None:
            raise self.failure
        saliency = np.zeros((320, 320), np.float32)
        saliency[80:240, 80:240] = 1
        return saliency

    def person_map(self, pending):
        return None

    def composite(self, frame, matte, background):
        out = allocate(frame)
        composite_into(out, frame, matte, background)
        return out


@pytest.fixture
def device():
    device = BlockingDevice()
    device.open.set()  # for the inference whose time is measured
    return device


def noise_frame(number, clock, width=64, height=48):
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
    with LivePipeline(open_live_device(settings), settings) as pipeline:
        sent = {}
        for frame in clip:
            frame = stamped(frame, pipeline.clock)
            sent[frame.pts] = frame
            pipeline.put(frame)
            composite = pipeline.get(TIMEOUT_S)
            assert composite.frame.time_base == LIVE_TIME_BASE
            opaque = composite.matte.alpha == 255
            assert opaque.mean() > 0.1
            source = sent[composite.frame.pts]
            assert np.array_equal(composite.frame.planes[0][opaque], source.planes[0][opaque])
        figures = pipeline.figures
    assert figures.arrived == figures.shown == len(clip)
    assert figures.lost == 0
    assert 0 < figures.age_median <= figures.age_95


def test_a_slow_network_drops_all_but_the_newest_frame(device):
    with LivePipeline(device, LiveSettings("black")) as pipeline:
        device.open.clear()
        references = []
        for number in range(60):
            frame = noise_frame(number, pipeline.clock)
            references.append(weakref.ref(frame.planes[0]))
            pipeline.put(frame)
            newest = frame.pts
            del frame
        gc.collect()
        assert sum(reference() is not None for reference in references) <= 6
        device.open.set()
        times = []
        while not times or times[-1] != newest:
            times.append(pipeline.get(TIMEOUT_S).frame.pts)
        assert times == sorted(set(times))
        assert len(times) <= 4  # three in flight and the newest
        assert pipeline.figures.lost >= 56


def test_a_wrong_number_of_threads_is_refused():
    with pytest.raises(OptionError, match="threads is 0: expected 1 or more"):
        open_live_device(LiveSettings(), threads=0)


def test_a_failure_is_raised_by_get_and_the_threads_end(device):
    pipeline = LivePipeline(device, LiveSettings("black"))
    device.failure = ValueError("out of memory")
    pipeline.put(noise_frame(0, pipeline.clock))
    with pytest.raises(StageError, match="filter: out of memory"):
        pipeline.get(TIMEOUT_S)
    pipeline.put(noise_frame(1, pipeline.clock))
    pipeline.close()
    pipeline.close()


def test_frames_before_a_failure_of_the_camera_come_out_first(device):
    with LivePipeline(device, LiveSettings("black")) as pipeline:
        pipeline.put(noise_frame(0, pipeline.clock))
        assert pipeline.get(TIMEOUT_S) is not None
        pipeline.end(InputError("no such camera"))
        with pytest.raises(StageError) as caught:
            pipeline.get(TIMEOUT_S)
        assert isinstance(caught.value.plain, InputError)


def test_nothing_comes_after_the_end(device):
    with LivePipeline(device, LiveSettings("black")) as pipeline:
        assert pipeline.get(0) is None
        pipeline.end()
        assert pipeline.get(TIMEOUT_S) is None


def test_settings_change_while_the_pipeline_runs(device):
    with LivePipeline(device, LiveSettings("black")) as pipeline:
        pipeline.change(background="white", steady=0.9, edges=False)
        pipeline.put(noise_frame(0, pipeline.clock))
        assert pipeline.get(TIMEOUT_S).frame.planes[0][0, 0] == 235
        assert pipeline.settings == LiveSettings("white", 0.9, edges=False)


def test_a_setting_changed_while_a_background_opens_is_kept(device, monkeypatch):
    with LivePipeline(device, LiveSettings("black")) as pipeline:
        opening, proceed = Event(), Event()

        def slow_change(background):
            opening.set()
            assert proceed.wait(TIMEOUT_S)

        monkeypatch.setattr(pipeline._background, "change", slow_change)
        opener = Thread(target=lambda: pipeline.change(background="white"))
        opener.start()
        assert opening.wait(TIMEOUT_S)
        pipeline.change(steady=0.9)
        proceed.set()
        opener.join(TIMEOUT_S)
        assert pipeline.settings == LiveSettings("white", 0.9)


@pytest.mark.parametrize(
    ("invalid", "error"),
    [
        ({"background": "nowhere.jpg"}, InputError),
        ({"steady": 2}, OptionError),
        ({"speed": "best"}, OptionError),
        ({"colour": "red"}, OptionError),
    ],
)
def test_invalid_settings_change_nothing(device, invalid, error):
    with LivePipeline(device, LiveSettings("black")) as pipeline:
        before = pipeline.settings
        with pytest.raises(error):
            pipeline.change(**{"steady": 0.1, **invalid})
        assert pipeline.settings == before


def test_frames_may_change_their_size(device):
    with LivePipeline(device, LiveSettings("blur")) as pipeline:
        for width, height in [(64, 48), (128, 72), (64, 48)]:
            pipeline.put(noise_frame(width, pipeline.clock, width, height))
            composite = pipeline.get(TIMEOUT_S)
            assert (composite.frame.width, composite.frame.height) == (width, height)


@pytest.mark.parametrize("speed, every", [("best", 1), ("balanced", 2)])
def test_a_named_speed_has_its_interval(device, speed, every):
    with LivePipeline(device, LiveSettings("black", speed=speed)) as pipeline:
        for number in range(4):
            pipeline.put(noise_frame(number, pipeline.clock))
            assert pipeline.get(TIMEOUT_S)
        assert pipeline.figures.every == every


@pytest.mark.parametrize(
    ("setting", "words"), [({"speed": "warp"}, "warp"), ({"delay": 9}, "delay 9"), ({"delay": -1}, "-1")]
)
def test_a_setting_out_of_range_is_refused(setting, words):
    with pytest.raises(OptionError, match=words):
        LiveSettings(**setting)


def test_with_a_delay_frames_get_the_mattes_of_a_file(clip):
    """Each comes out when the second frame after it has come, the last two at the end."""
    settings = LiveSettings("#00ff00", speed="balanced", edges=False, delay=2)
    device = open_live_device(settings, subject="any")
    expected = list(cut_outs(iter(clip), device.another(), Matting(speed="balanced", edges=False)))
    with LivePipeline(device, settings, slots=settings.delay) as pipeline:
        sent, got = [], []
        for number, frame in enumerate(clip):
            sent.append(stamped(frame, pipeline.clock))
            pipeline.put(sent[-1])
            if number >= settings.delay:
                got.append(pipeline.get(TIMEOUT_S))
            else:
                assert pipeline.get(0.2) is None
        pipeline.end()
        got += [pipeline.get(TIMEOUT_S) for _ in range(settings.delay)]
    assert [each.frame.pts for each in got] == [frame.pts for frame in sent]
    assert all(np.array_equal(each.matte.alpha, known.matte.alpha) for each, known in zip(got, expected, strict=True))


def test_automatic_framing_enlarges_the_subject_and_can_be_turned_off(device):
    with LivePipeline(device, LiveSettings("black", auto_frame=True)) as pipeline:
        shares = []
        for number in range(2):
            pipeline.put(noise_frame(number, pipeline.clock))
            shares.append(pipeline.get(TIMEOUT_S).matte.as_float().mean())
            pipeline.change(auto_frame=False)
    assert 0.5 < shares[0] < 0.8
    assert 0.2 < shares[1] < 0.35


def test_pipelines_that_share_a_network_get_their_own_mattes(clip):
    """Two pipelines share a network; their mattes do not mix."""
    settings = LiveSettings("#00ff00", edges=False)
    device = open_live_device(settings)
    grey = replace(clip[0], planes=tuple(np.full_like(plane, 128) for plane in clip[0].planes), native=None)
    with LivePipeline(device, settings) as with_subject, LivePipeline(device.another(), settings) as without_subject:
        for frame in clip:
            with_subject.put(stamped(frame, with_subject.clock))
            without_subject.put(stamped(grey, without_subject.clock))
            assert (with_subject.get(TIMEOUT_S).matte.alpha == 255).mean() > 0.1
            assert not without_subject.get(TIMEOUT_S).matte.alpha.any()


def test_ages_count_from_the_time_stamp_of_the_frame(device):
    with LivePipeline(device, LiveSettings("black")) as pipeline:
        frame = noise_frame(0, pipeline.clock)
        pipeline.put(replace(frame, pts=frame.pts - round(Fraction(2) / LIVE_TIME_BASE)))
        pipeline.get(TIMEOUT_S)
        assert pipeline.figures.age_last >= 2
