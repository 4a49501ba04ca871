"""Live frames: the newest frame in, its composite out, no queue in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from queue import Empty
from threading import Lock, Semaphore
from types import TracebackType
from typing import Any, NamedTuple, Self

from streamseg.deprecation import renamed
from streamseg.device import Device
from streamseg.errors import OptionError, StreamsegError
from streamseg.frame import Frame, Matte
from streamseg.media.live.clock import LiveClock
from streamseg.runtime import LatencyHistogram, Mailbox, Pump, Rate, Runner, SameProcess, Stage, usable_cores
from streamseg.runtime.queue import End

from .segmenter import Segmenter
from .stages.framing import AutoFramer
from .stages.interval import LoadMonitor, measured_inference
from .stages.live_background import LiveBackground
from .stages.matting import CutoutMaker, smoothing_stages
from .stages.motion import MotionEstimator, TrackedFrame
from .stages.options import SPEEDS, Matting, Speed
from .stages.tracking import PendingInference, SubjectTracker

__all__ = ["AUTO", "Composite", "LiveFigures", "LivePipeline", "LiveSettings", "open_live_device"]

__getattr__ = renamed(
    __name__, {"LiveLine": "streamseg.pipelines.live:LivePipeline", "Shown": "streamseg.pipelines.live:Composite"}
)

#: The speed whose interval of inferences follows the load of the machine.
AUTO = "auto"
# Frames between the mailboxes: one for each of the stages that run in parallel.
_IN_FLIGHT = 3
# A quarter of a second at 30 frames a second; more look-ahead makes no better mattes.
_MOST_DELAY = 8
# What cannot be changed while a pipeline runs.
_FIXED = {"speed", "light", "delay"}


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How live frames are composited.

    Attributes:
        background: an image, a video, "blur" or "blur:STRENGTH", a colour, or "matte".
        steady, edges: see Matting.
        speed: "best", "balanced" or "fast", see Matting; "auto" is "live" with the interval of
            inferences chosen from the measured load.
        light: with "auto", the lower resolutions of "fast" for motion and mattes: for a machine with more to do.
        auto_frame: see Matting.
        delay: how many later frames a matte uses, 0 to 8: each frame comes out that many frames later, with a steadier
            matte that follows movement on both sides.

    Raises:
        OptionError: one of them is out of range.
    """

    background: str = "blur"
    steady: float = 0.5
    edges: bool = True
    speed: str = AUTO
    light: bool = False
    auto_frame: bool = False
    delay: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.delay, int) or not 0 <= self.delay <= _MOST_DELAY:
            raise OptionError(f"delay {self.delay!r}: expected 0 to {_MOST_DELAY} frames")
        if self.speed != AUTO and self.speed not in SPEEDS:
            raise OptionError(f"speed {self.speed!r}: expected {AUTO}, {', '.join(SPEEDS)}")
        Matting(self.steady, look_ahead=0, edges=self.edges)

    @property
    def matting(self) -> Speed:
        """What the speed means; with "auto" the interval is chosen elsewhere."""
        if self.speed == AUTO:
            return SPEEDS["fast" if self.light else "live"]
        return SPEEDS[self.speed]


class Composite(NamedTuple):
    """A composited frame, and the matte it was made with."""

    frame: Frame
    matte: Matte


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Figures of a live pipeline.

    Attributes:
        arrived, shown, lost: frames put, composited, and replaced by a newer one before that.
        arrived_fps, shown_fps, network_fps: frames, and inferences, a second over the last two seconds.
        every: the network sees every n-th frame.
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
    """The device for a live pipeline, which looks for people by default; ``network`` and the errors: see Segmenter."""
    # All else keeps one core busy: sharing it, an inference would take longer, not less.
    threads = network.pop("threads", None) or max(1, usable_cores() - 1)
    return Segmenter(**{"subject": "person", **network}, threads=threads, variants=settings.matting.variants).device


class LivePipeline:
    """Takes frames at any rate and gives composites, each with the matte of its own frame.

    Works from construction until ``close``, in threads of its own; a context manager. Any thread may call anything, but
    a forked child nothing: the threads are in the parent.

    Args:
        device: for this pipeline alone (Device.another gives more).
        settings: at the start.
        clock: that the frames' time stamps count on.
        report: called with one sentence when something happens that a user should know.
        slots: composites that wait to be fetched, at most; then the oldest is dropped.

    Raises:
        OptionError, InputError: there is no such background.
        StreamsegError: (``put`` and ``get``) the process was forked since.
    """

    def __init__(
        self,
        device: Device,
        settings: LiveSettings | None = None,
        clock: LiveClock | None = None,
        report: Callable[[str], None] = lambda sentence: None,
        slots: int = 1,
    ) -> None:
        self.settings, self.clock = settings or LiveSettings(), clock or LiveClock()
        speed = self.settings.matting
        self._background = LiveBackground(device, self.settings.background, report)
        self.framer = AutoFramer()
        self._motion = MotionEstimator(speed.flow_size)
        self._cut_out = CutoutMaker(self.settings.steady, self.settings.edges)
        schedule = speed.schedule()
        self._tracker = SubjectTracker(device, self.settings.steady, schedule, longest=speed.matte_size)
        #: Chooses the subject: SubjectTracker.choose.
        self.choose = self._tracker.choose
        self._monitor = LoadMonitor(schedule, measured_inference(device)) if self.settings.speed == AUTO else None
        self._inbox: Mailbox[Frame] = Mailbox()
        self._outbox: Mailbox[Composite] = Mailbox(slots)
        self._free, self._changing = Semaphore(_IN_FLIGHT + self.settings.delay), Lock()
        self._arrived, self._shown, self._inferences = Rate(), Rate(), Rate()
        self._ages = LatencyHistogram()
        self._process = SameProcess("this LivePipeline", StreamsegError)
        self._pump = Pump(self._results(), self._outbox.put, self._finished, "live")

    def put(self, frame: Frame) -> None:
        """Hand over the newest frame. Never waits; a frame that is still waiting is replaced."""
        self._process.check()
        self._arrived.tick()
        self._inbox.put(frame)

    def get(self, timeout: float | None = None) -> Composite | None:
        """The next composite; None if none came within ``timeout`` seconds or none will come.

        Raises:
            StageError: the pipeline has failed.
        """
        self._process.check()
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
        """Change settings from the next frame on: any of LiveSettings but speed, light and delay.

        Raises:
            OptionError, InputError: they cannot be used; everything stays as it was.
        """
        if wrong := settings.keys() - ({item.name for item in fields(LiveSettings)} - _FIXED):
            raise OptionError(f"{', '.join(sorted(wrong))}: cannot be changed while the pipeline runs")
        new = replace(self.settings, **settings)
        if new.background != self.settings.background:
            self._background.change(new.background)  # takes time, in which other threads may change other settings
        with self._changing:
            self.settings = new = replace(self.settings, **settings)
            self._tracker.steady = self._cut_out.steady = new.steady
            self._cut_out.edges = new.edges

    @property
    def figures(self) -> LiveFigures:
        """Figures up to now."""
        return LiveFigures(
            arrived=self._arrived.count,
            shown=self._shown.count,
            lost=self._inbox.dropped,
            arrived_fps=self._arrived.per_second,
            shown_fps=self._shown.per_second,
            network_fps=self._inferences.per_second,
            every=self._tracker.schedule.every,
            age_last=self._ages.last,
            age_median=self._ages.percentile(50),
            age_95=self._ages.percentile(95),
        )

    def end(self, failure: BaseException | None = None) -> None:
        """No more frames will come; frames in flight still come out, then ``failure``, if there is one."""
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

    def _results(self) -> Iterator[Composite]:
        stages: list[Stage[Any, Any]] = [
            Stage("motion", self._start),
            Stage("filter", self._tracker.complete),
            *smoothing_stages(self.settings.delay),
            Stage("composite", self._composite),
        ]
        for composite in Runner(self._frames(), stages, queue_size=_IN_FLIGHT, source_name="camera"):
            self._free.release()
            self._shown.tick()
            self._ages.add(self.clock.age(composite.frame))
            yield composite

    def _frames(self) -> Iterator[Frame]:
        while True:
            self._free.acquire()
            frame = self._inbox.get()
            if isinstance(frame, End):
                if frame.failure is not None:
                    raise frame.failure
                return
            yield frame

    def _start(self, frame: Frame) -> PendingInference:
        started = self._tracker.start(self._motion(frame))
        if started.inference is not None:
            self._inferences.tick()
        if self._monitor is not None:
            self._monitor.count(self._inbox.arrived, self._inbox.dropped)
        return started

    def _composite(self, tracked: TrackedFrame) -> Composite:
        cutout = self._cut_out(tracked)
        if self.settings.auto_frame:
            cutout = self.framer(cutout, tracked.motion is None)
        return Composite(self._background.apply(*cutout), cutout.matte)

    def _finished(self, failure: BaseException | None) -> None:
        self._inbox.end()  # so that the source does not wait for a frame
        self._free.release()
        self._background.close()
        self._outbox.end(failure)
