"""Live pictures: the newest frame in, its composite out, and nothing queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from queue import Empty
from threading import Lock, Semaphore
from time import process_time
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from streamseg.device import Device
from streamseg.device.cpu.arithmetic import best_arithmetic
from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte
from streamseg.matting.sharpener import Sharpener
from streamseg.media.clock import LiveClock
from streamseg.media.pictures import picture_of
from streamseg.runtime import Delays, Mailbox, Pump, Rate, Runner, Stage
from streamseg.runtime.queue import End

from .cadence import Cadence, Load
from .follow import Begun, Follower, Shot, Watcher
from .matting import SPEEDS, Matting, Speed
from .scenery import Scenery
from .segmenter import Segmenter

__all__ = ["AUTO", "LiveFigures", "LiveLine", "LiveSettings", "Shown", "open_live_device"]

#: The speed whose cadence follows from what the machine can bear.
AUTO = "auto"
# Frames between the mailboxes: one for each of the stages that work side by side.
_IN_FLIGHT = 3
# Frames between two decisions about the cadence.
_DECIDE_EVERY = 30


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How live pictures are made.

    Attributes:
        background: an image, a video, "blur" or "blur:STRENGTH", a colour, or "matte".
        steady, edges: see Matting.
        speed: "best", "balanced" or "fast", see Matting; "auto" is "live", but how often the network looks is chosen
            from the measured load.
        light: with "auto", motion and mattes on the smaller grids of "fast": for a machine that has more to do.

    Raises:
        OptionError: one of them is out of range.
    """

    background: str = "blur"
    steady: float = 0.5
    edges: bool = True
    speed: str = AUTO
    light: bool = False

    def __post_init__(self) -> None:
        if self.speed != AUTO and self.speed not in SPEEDS:
            raise OptionError(f"speed {self.speed!r}: expected {AUTO}, {', '.join(SPEEDS)}")
        Matting(self.steady, look_ahead=0, edges=self.edges)

    @property
    def matting(self) -> Speed:
        """What the speed means; of "auto" the cadence is another matter."""
        if self.speed == AUTO:
            return SPEEDS["fast" if self.light else "live"]
        return SPEEDS[self.speed]


class Shown(NamedTuple):
    """A composite, and the matte it was made with."""

    frame: Frame
    matte: Matte


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """How a live line is doing.

    Attributes:
        arrived, shown, lost: frames that were put, that came out, and that made place for a newer one.
        arrived_fps, shown_fps, network_fps: frames a second over the last two seconds; of the network, its looks.
        every: the network sees every so manyth frame.
        age_last, age_median, age_95: seconds from a frame's time stamp to its composite: of the newest, median and 95th
            percentile.
    """

    arrived: int
    shown: int
    lost: int
    arrived_fps: float
    shown_fps: float
    network_fps: float
    every: int
    age_last: float
    age_median: float
    age_95: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def open_live_device(settings: LiveSettings, **network: Any) -> Device:
    """The device for a live line; ``network`` and what is raised: see Segmenter."""
    return Segmenter(**network, forms=settings.matting.forms).device


def measured_look(device: Device) -> float:
    """Seconds of one core that a look of the network takes: the second of two."""
    grey = picture_of(np.full((64, 64, 3), 127, np.uint8))
    seconds = 0.0
    for _ in range(2):
        before = process_time()
        device.saliency(device.network(device.prepare(grey)))
        seconds = process_time() - before
    return seconds


class LiveLine:
    """Takes frames at their own pace and gives composites, each of the frame that its matte was made from.

    Works from construction until ``close``, in threads of its own; a context manager. Any thread may call anything.

    Args:
        device: for this line alone (Device.another gives more).
        settings: to begin with.
        clock: the one that the frames' time stamps are of.
        say: called with one sentence when something happens that a user should know.
        slots: composites that wait to be got, at most; the oldest makes place.

    Raises:
        OptionError, InputError: there is no such background.
    """

    def __init__(
        self,
        device: Device,
        settings: LiveSettings | None = None,
        clock: LiveClock | None = None,
        say: Callable[[str], None] = lambda sentence: None,
        slots: int = 1,
    ) -> None:
        self.settings, self.clock = settings or LiveSettings(), clock or LiveClock()
        speed = self.settings.matting
        self._scenery = Scenery(device, self.settings.background, say)
        self._watch, self._sharpen = Watcher(speed.picture), Sharpener(self.settings.edges, best_arithmetic())
        self._follow = Follower(device, self.settings.steady, speed.looks(), grid=speed.grid)
        self._pace = _Pace(self._follow, measured_look(device)) if self.settings.speed == AUTO else None
        self._inbox: Mailbox[Frame] = Mailbox()
        self._outbox: Mailbox[Shown] = Mailbox(slots)
        self._places, self._changing = Semaphore(_IN_FLIGHT), Lock()
        self._arrived, self._shown, self._looks = Rate(), Rate(), Rate()
        self._ages = Delays()
        self._pump = Pump(self._results(), self._outbox.put, self._finished, "live")

    def put(self, frame: Frame) -> None:
        """Hand over the newest frame. Never waits; one that is still waiting makes place for it."""
        self._arrived.tick()
        self._inbox.put(frame)

    def get(self, timeout: float | None = None) -> Shown | None:
        """The next composite that nobody has got; None if none came in ``timeout`` seconds or none will come.

        Raises:
            StageError: the line has failed.
        """
        try:
            item = self._outbox.get(timeout)
        except Empty:
            return None
        if not isinstance(item, End):
            return item
        if item.failure is not None:
            raise item.failure
        return None

    def change(self, **settings: Any) -> None:
        """Other settings from the next frame on: any of LiveSettings but speed and light.

        Raises:
            OptionError, InputError: they cannot be had; everything stays as it was.
        """
        if wrong := settings.keys() - ({item.name for item in fields(LiveSettings)} - {"speed", "light"}):
            raise OptionError(f"{', '.join(sorted(wrong))}: cannot be changed while pictures run")
        new = replace(self.settings, **settings)
        if new.background != self.settings.background:
            self._scenery.change(new.background)  # takes time, in which others may change other settings
        with self._changing:
            self.settings = new = replace(self.settings, **settings)
            self._follow.steady, self._sharpen.edges = new.steady, new.edges

    @property
    def figures(self) -> LiveFigures:
        """How it is doing."""
        return LiveFigures(
            arrived=self._arrived.count,
            shown=self._shown.count,
            lost=self._inbox.dropped,
            arrived_fps=self._arrived.per_second,
            shown_fps=self._shown.per_second,
            network_fps=self._looks.per_second,
            every=self._follow.looks.every,
            age_last=self._ages.last,
            age_median=self._ages.percentile(50),
            age_95=self._ages.percentile(95),
        )

    def end(self, failure: BaseException | None = None) -> None:
        """No more frames will come; what is in flight still comes out, then ``failure``, if there is one."""
        self._inbox.end(failure)

    def close(self) -> None:
        """End, and wait for the threads. Safe to call twice."""
        self.end()
        self._pump.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _results(self) -> Iterator[Shown]:
        stages: list[Stage[Any, Any]] = [
            Stage("motion", self._begin),
            Stage("steady", self._follow.take),
            Stage("composite", self._composite),
        ]
        for shown in Runner(self._frames(), stages, queue_size=_IN_FLIGHT, source_name="camera"):
            self._places.release()
            self._shown.tick()
            self._ages.add(self.clock.age(shown.frame))
            yield shown

    def _frames(self) -> Iterator[Frame]:
        while True:
            self._places.acquire()
            frame = self._inbox.get()
            if isinstance(frame, End):
                if frame.failure is not None:
                    raise frame.failure
                return
            yield frame

    def _begin(self, frame: Frame) -> Begun:
        begun = self._follow.begin(self._watch(frame))
        if begun.begun is not None:
            self._looks.tick()
        if self._pace is not None:
            self._pace.passed(self._inbox)
        return begun

    def _composite(self, shot: Shot) -> Shown:
        assert shot.alpha is not None
        frame, matte = self._sharpen(shot.frame, shot.alpha)
        return Shown(self._scenery.apply(frame, matte), matte)

    def _finished(self, failure: BaseException | None) -> None:
        self._inbox.end()  # a source that waits for a frame is not left behind
        self._places.release()
        self._scenery.close()
        self._outbox.end(failure)


class _Pace:
    """Measures the load of a line and sets the cadence of its follower."""

    def __init__(self, follow: Follower, look: float) -> None:
        self._looks, self._cadence, self._clock = follow.looks, Cadence(look), LiveClock()
        self._passed = 0
        self._before = self._readings(0, 0)
        follow.looks.every = self._cadence.every

    def _readings(self, arrived: int, dropped: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([self._clock.now(), process_time(), arrived, dropped])

    def passed(self, inbox: Mailbox[Frame]) -> None:
        """A frame went by."""
        self._passed += 1
        if self._passed % _DECIDE_EVERY:
            return
        now = self._readings(inbox.arrived, inbox.dropped)
        seconds, busy, arrived, dropped = (now - self._before).tolist()
        self._before = now
        if self._passed == _DECIDE_EVERY:
            return  # in the first of them everything is made ready
        load = Load(seconds / max(arrived, 1), busy / (seconds * self._cadence.cores), dropped / max(arrived, 1))
        self._looks.every = self._cadence.decide(load)
