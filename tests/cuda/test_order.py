"""The line on streams that are as late as they may be: every buffer is its owner's until its event fires."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from late_platform import LatePlatform  # noqa: E402
from stand_in_decoder import semi_planar  # noqa: E402

from streamseg.background.blur import SmallBlur  # noqa: E402
from streamseg.device.cuda import device as card_module  # noqa: E402
from streamseg.device.cuda import line as line_module  # noqa: E402
from streamseg.device.cuda.device import CUDADevice  # noqa: E402
from streamseg.device.cuda.finish import Output  # noqa: E402
from streamseg.device.cuda.line import Line, LineOptions  # noqa: E402
from streamseg.frame import Frame  # noqa: E402
from streamseg.media.card_frame import CardFrame  # noqa: E402
from streamseg.media.native import plane_views  # noqa: E402
from streamseg.media.reader import VideoReader  # noqa: E402
from streamseg.media.scale import to_format  # noqa: E402

COUNT = 18
SIZE = (160, 120)
# Upload, compute and download, in the order in which the device makes them; those that do not dawdle.
SCHEDULES = {
    "all are late": (),
    "uploads run ahead": (0,),
    "the work runs ahead": (0, 1),
    "downloads run ahead": (2,),
    "the work lags behind": (0, 2),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Bright places instead of the network."""
    monkeypatch.setattr(card_module, "FusedNetwork", lambda *_, **__: lambda x: torch.sigmoid(4 * x.mean(1)))


@pytest.fixture(scope="module")
def natives(sample_clip):
    """Small pictures, all of them different; more than there are buffers."""
    with VideoReader(str(sample_clip)) as reader:
        frames = islice((item for item in reader if isinstance(item, Frame)), COUNT)
        return [(frame, to_format(frame.native, frame.format, *SIZE, frame.colour, frame.colour)) for frame in frames]


@pytest.fixture(scope="module")
def frames(natives):
    made = []
    for frame, native in natives:
        planes = tuple(plane.copy() for plane in plane_views(native, frame.format))
        made.append(Frame(planes, frame.format, frame.pts, frame.time_base, frame.colour))
    return made


def came_out(platform, frames, output, ahead, batch=1, fetch_late=0):
    """What the line makes of the frames; each is fetched when so many more are on their way down."""
    device = CUDADevice(platform=platform, batch=batch)
    blur = SmallBlur.of(*SIZE, 0.5) if output is Output.BLURRED else None
    options = LineOptions(ahead=ahead, batch=batch, grid=64, picture=64)
    line = Line(device, frames[0].format, *SIZE, options, output, blur)
    fetch = line.download_cutout if output is Output.CUTOUT else line.download
    waiting, made = [], []
    for number, frame in enumerate(frames):
        behind = None
        if output is Output.COMPOSITE:  # another one for every second frame: they go round too
            behind = background_of(number // 2)
        waiting += line.step(line.upload(frame), behind)
        while len(waiting) > fetch_late:
            made.append(fetch(waiting.pop(0)))
    made += map(fetch, waiting)
    made += map(fetch, line.finish())
    return [made_of(each) for each in made]


BACKGROUNDS = {}


def background_of(number):
    """The same object for the same number: that is how the card knows it."""
    if number not in BACKGROUNDS:
        width, height = SIZE
        shapes = (height, width), (height // 2, width // 2), (height // 2, width // 2)
        BACKGROUNDS[number] = tuple(np.full(shape, 40 + 7 * number + at, np.uint8) for at, shape in enumerate(shapes))
    return BACKGROUNDS[number]


def made_of(result):
    frame, *matte = result if isinstance(result, tuple) else (result,)
    return frame.pts, [plane.copy() for plane in (*frame.planes, *(each.alpha for each in matte))]


def assert_same(got, expected):
    assert [pts for pts, _ in got] == [pts for pts, _ in expected]
    for number, ((_, mine), (_, theirs)) in enumerate(zip(got, expected, strict=True)):
        for one, other in zip(mine, theirs, strict=True):
            assert np.array_equal(one, other), f"frame {number}"


@pytest.fixture(scope="module")
def at_once(host, frames):
    """The same on the host's plain platform, once for all schedules."""
    made = {}

    def of(output, ahead, batch):
        key = output, ahead, batch
        if key not in made:
            made[key] = came_out(host, frames, output, ahead, batch)
        return made[key]

    return of


# What comes out, whether the card is kept busy, pictures at a time, and how many wait to be fetched.
WAYS = [
    (Output.COMPOSITE, True, 1, 0),
    (Output.COMPOSITE, False, 1, 3),
    (Output.COMPOSITE, True, 4, 3),
    (Output.CUTOUT, True, 1, 3),
    (Output.BLURRED, True, 1, 3),
]


@pytest.mark.parametrize("output, ahead, batch, fetch_late", WAYS, ids=lambda value: getattr(value, "name", str(value)))
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_buffer_is_used_before_it_is_due(host, frames, at_once, schedule, output, ahead, batch, fetch_late):
    late = LatePlatform(host._library, SCHEDULES[schedule])
    assert_same(came_out(late, frames, output, ahead, batch, fetch_late), at_once(output, ahead, batch))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_as_few_buffers_as_can_be_are_enough(host, frames, at_once, schedule, monkeypatch):
    """Each is then filled anew at the first moment when it may be."""
    monkeypatch.setattr(line_module, "_BETWEEN", 0)
    late = LatePlatform(host._library, SCHEDULES[schedule])
    assert_same(came_out(late, frames, Output.CUTOUT, True, 1, 2), at_once(Output.CUTOUT, True, 1))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_picture_is_not_taken_before_it_is_decoded(host, natives, frames, at_once, schedule):
    """The decoder works on its own stream, and writes each of its pictures as late as it may."""
    late = LatePlatform(host._library, SCHEDULES[schedule])
    assert_same(came_out(late, Decoded(natives, late), Output.COMPOSITE, True), at_once(Output.COMPOSITE, True, 1))


class Decoded:
    """Frames whose memory the decoder's stream fills once somebody waits for it."""

    def __init__(self, natives, platform):
        self._natives, self._platform = natives, platform

    def __getitem__(self, number):
        return self._natives[number][0]

    def __iter__(self):
        for frame, native in self._natives:
            finished = semi_planar(native)
            lent = semi_planar(native)
            blank(lent)
            self._platform.decoder.queue(lambda lent=lent, finished=finished: fill(lent, finished))
            of = frame.format, *SIZE, frame.pts, frame.time_base, frame.colour, frame.sample_aspect_ratio
            yield CardFrame(lent, *of)


def blank(native):
    for plane in native.planes:
        np.frombuffer(plane, np.uint8)[:] = 0


def fill(native, other):
    for plane, source in zip(native.planes, other.planes, strict=True):
        np.frombuffer(plane, np.uint8)[:] = np.frombuffer(source, np.uint8)
