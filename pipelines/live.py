"""Live frames: the newest frame in, its composite out, no queue in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from queue import Empty
from threading import Lock, Semaphore
from types import TracebackType
from typing import Any, Self

from streamseg.deprecation import renamed
from streamseg.device import Device
from streamseg.errors import OptionError, StreamsegError
from streamseg.frame import Frame
from streamseg.matting.choosing.choice import Mark
from streamseg.media.live.clock import LiveClock
from streamseg.runtime import LatencyHistogram, Mailbox, Pump, Rate, Runner, SameProcess, usable_cores
from streamseg.runtime.queue import End

from .segmenter import Segmenter
from .stages.interval import LoadMonitor, measured_inference
from .stages.live.base import AUTO, Composite, LiveSettings, LiveStages
from .stages.live.gpu import GPUStages
from .stages.live.host import HostStages
from .stages.live_background import LiveBackground

__all__ = ["AUTO", "Composite", "LiveFigures", "LivePipeline", "LiveSettings", "open_live_device"]

__getattr__ = renamed(
    __name__, {"LiveLine": "streamseg.pipelines.live:LivePipeline", "Shown": "streamseg.pipelines.live:Composite"}
)

# Frames between the mailboxes: one for each of the stages that run in parallel.
_IN_FLIGHT = 3
# What cannot be changed while a pipeline runs.
_FIXED = {"speed", "light", "delay"}


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
    if network.get("threads") is None:
        network["threads"] = max(1, usable_cores() - 1)
    return Segmenter(**{"subject": "person", **network}, variants=settings.matting.variants).device


class LivePipeline:
    """Takes frames at any rate and gives composites, each with the matte of its own frame.

    Works from construction until ``close``, in threads of its own; a context manager. Any thread may call anything, but
    a forked child nothing: the threads are in the parent.

    On a GPU frames are matted and composited there. What a GPU does not do, automatic framing and a chosen subject, is
    done on the host, with the GPU's network; the change from one to the other begins a scene.

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
        self._device, self._background = device, LiveBackground(device, self.settings.background, report)
        self._host = HostStages(device, self.settings, self._background, self._started)
        #: The part of the frame that is shown, with ``auto_frame``.
        self.framer, self._schedule = self._host.framer, self._host.tracker.schedule
        automatic = self.settings.speed == AUTO
        self._monitor = LoadMonitor(self._schedule, measured_inference(device)) if automatic else None
        self._inbox: Mailbox[Frame] = Mailbox()
        self._outbox: Mailbox[Composite] = Mailbox(slots)
        self._free, self._changing = Semaphore(_IN_FLIGHT + self.settings.delay), Lock()
        self._arrived, self._shown, self._inferences = Rate(), Rate(), Rate()
        self._ages = LatencyHistogram()
        self._process = SameProcess("this LivePipeline", StreamsegError)
        # A frame that the stages before do not take, and whether there will be none: both only for the pump.
        self._next: Frame | None = None
        self._ended = False
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
            self._host.change(new)

    def choose(self, mark: Mark | None, add: bool = False) -> None:
        """Choose the subject, see streamseg.pipelines.stages.tracking.SubjectTracker.choose."""
        self._host.tracker.choose(mark, add)

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
            every=self._schedule.every,
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
        while not self._ended:
            stages = self._stages()
            frames = self._frames(stages)
            with closing(stages):
                for composite in Runner(frames, stages.stages(), queue_size=_IN_FLIGHT, source_name="camera"):
                    self._free.release()
                    self._shown.tick()
                    self._ages.add(self.clock.age(composite.frame))
                    yield composite

    def _stages(self) -> LiveStages:
        if not self._on_gpu:
            return self._host
        return GPUStages(self._device, lambda: self.settings, self._schedule, self._background, self._started)

    @property
    def _on_gpu(self) -> bool:
        """Whether the next frame is to be composited on a GPU."""
        return self._device.name == "cuda" and not (self.settings.auto_frame or self._host.tracker.chosen)

    def _frames(self, stages: LiveStages) -> Iterator[Frame]:
        """Frames as long as ``stages`` are the right ones for them."""
        while (frame := self._next or self._newest()) is not None:
            self._next = None
            if stages.on_gpu != self._on_gpu or not stages.takes(frame):
                self._next = frame
                return
            yield frame
        self._ended = True

    def _newest(self) -> Frame | None:
        """Wait until there is room for a frame, and for the frame; None at the end."""
        self._free.acquire()
        frame = self._inbox.get()
        if not isinstance(frame, End):
            return frame
        if frame.failure is not None:
            raise frame.failure
        return None

    def _started(self, seen: bool) -> None:
        if seen:
            self._inferences.tick()
        if self._monitor is not None:
            self._monitor.count(self._inbox.arrived, self._inbox.dropped)

    def _finished(self, failure: BaseException | None) -> None:
        self._inbox.end()  # so that the source does not wait for a frame
        self._free.release()
        self._background.close()
        self._outbox.end(failure)
