"""From a camera to a window, a virtual camera and a recording: always the newest frame."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import InitVar, asdict, dataclass, field, replace
from threading import Event
from typing import Any

from streamseg.errors import InputError, StageError
from streamseg.frame import Frame
from streamseg.media.live.camera import Camera
from streamseg.media.live.clock import LiveClock
from streamseg.media.live.devices import devices_here
from streamseg.media.writing.target import Encoding
from streamseg.runtime import Pump

from ..live import LiveFigures, LivePipeline, open_live_device
from ..stages.live_background import LIVE_FORMAT, shape_of
from .controls import Controls, Notices
from .outputs import LiveOutput, OutputFigures, virtual_camera
from .recorder import recording, recording_target
from .settings import WebcamSettings
from .sound import LiveSound
from .view import WebcamView

__all__ = ["WebcamJob", "WebcamSummary"]

# How long to wait for the camera's first frame, and how long it may be silent before that is reported.
_OPEN_SECONDS, _SILENT_SECONDS = 15.0, 5.0
_TICK_S = 0.05
# After how long the age of the frames is known well enough to delay sound by it.
_LATENESS_SECONDS = 4.0
# Composites that wait while the window is drawn: a recording takes them too.
_SLOTS = 4


@dataclass(frozen=True, slots=True)
class WebcamSummary:
    """What a webcam job did.

    Attributes:
        seconds: from the first composite to the end.
        figures: of the live pipeline.
        outputs: of each output.
        settings: as they are at the end, including what the keys changed.
        failed: whether an output failed.
    """

    seconds: float
    figures: LiveFigures
    outputs: list[OutputFigures]
    settings: WebcamSettings
    failed: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def table(self) -> str:
        """For people."""
        figures = self.figures
        lines = [
            *([_lateness(figures)] if self.settings.delay else ()),
            f"{figures.arrived} frames from the camera, {figures.shown} composited "
            f"({figures.shown / self.seconds:.1f} fps), {figures.lost} dropped for newer ones; "
            f"at the end, inferences were {figures.every} frames apart",
            *(
                f"{out.name}: {out.frames} frames, age {1000 * out.age_median:.0f} ms (median), "
                f"{1000 * out.age_95:.0f} ms (95 %)"
                for out in self.outputs
            ),
        ]
        return "\n".join(lines)


@dataclass
class WebcamJob:
    """``run`` composites live frames until ``stop``, the key q, or ``duration`` seconds.

    Args:
        settings: camera, backgrounds, outputs.
        encoding: of the recording.
        overwrite: replace an existing recording.
        duration: seconds; None for no limit.
        report: takes messages for the user.
        network: model, weights, precision, device, threads; see Segmenter.
        tell: deprecated name of ``report``.
    """

    settings: WebcamSettings
    encoding: Encoding = field(default_factory=Encoding)
    overwrite: bool = False
    duration: float | None = None
    report: Callable[[str], None] = lambda message: None
    network: dict[str, Any] = field(default_factory=dict)
    tell: InitVar[Callable[[str], None] | None] = None

    def __post_init__(self, tell: Callable[[str], None] | None) -> None:
        if tell is not None:
            warnings.warn("tell= is now report=; the old name goes with the next release", DeprecationWarning, 3)
            self.report = tell
        self._stopped = False
        self._outputs: list[LiveOutput] = []
        self._view: WebcamView | None = None

    def stop(self) -> None:
        """End soon. Safe in signal handlers and from any thread."""
        self._stopped = True

    def run(self) -> WebcamSummary:
        """Run to the end; in the main thread if there is a window.

        Raises:
            InputError: no such camera or background, or a camera that gives no frame in time.
            OptionError, OutputError, MissingDependency: an output cannot be opened.
            KeyboardInterrupt: stopped before the first frame.
        """
        report, clock, settings = Notices(self.report), LiveClock(), self.settings
        if settings.record is not None:
            recording_target(settings.record, LIVE_FORMAT, self.encoding, settings.audio is not None)
        with ExitStack() as stack:
            if not settings.headless:  # before the camera is turned on
                self._view = WebcamView(clock)
                stack.callback(self._view.close)
            device = open_live_device(settings.live(), **self.network)
            pipeline = LivePipeline(device, settings.live(), clock, report, _SLOTS)
            stack.callback(pipeline.close)
            sound = self._open_sound(stack, clock, report)
            camera = self._open_camera(stack, pipeline, report)
            self._open_outputs(stack, self._first(pipeline), clock, report, sound)
            controls = Controls(pipeline, camera, settings.bg, report)
            stack.callback(controls.close)
            seconds = self._show(pipeline, controls, report)
        return self._summary(seconds, pipeline, controls)

    def _open_camera(self, stack: ExitStack, pipeline: LivePipeline, report: Notices) -> Camera:
        """Open the camera, in a thread of its own, and wait for its first frame."""
        camera, arrived = Camera(self.settings.camera, self.settings.request(), pipeline.clock, report), Event()
        camera.mirror = self.settings.mirror
        stack.callback(camera.close)

        def put(frame: Frame) -> None:
            pipeline.put(frame)
            arrived.set()

        def end(failure: BaseException | None) -> None:
            pipeline.end(failure)
            arrived.set()

        Pump(camera, put, end, "camera")
        limit = pipeline.clock.now() + _OPEN_SECONDS
        while not arrived.wait(_TICK_S) and not self._stopped:
            if pipeline.clock.now() > limit:
                problem = f"camera {self.settings.camera}: no frame within {_OPEN_SECONDS:.0f} s"
                raise InputError(f"{problem}; {devices_here()}")
        return camera

    def _first(self, pipeline: LivePipeline) -> Frame:
        while not self._stopped:
            frame = self._next(pipeline)
            if frame is not None:
                return frame
        raise KeyboardInterrupt

    def _next(self, pipeline: LivePipeline, timeout: float = _TICK_S) -> Frame | None:
        try:
            composite = pipeline.get(timeout)
        except StageError as error:
            raise error.plain from error.__cause__
        return None if composite is None else composite.frame

    def _open_sound(self, stack: ExitStack, clock: LiveClock, report: Notices) -> LiveSound | None:
        if self.settings.audio is None:
            return None
        sound = LiveSound(self.settings.audio, clock, report)
        stack.callback(sound.close)
        sound.wait(_OPEN_SECONDS, lambda: self._stopped)
        return sound

    def _open_outputs(
        self, stack: ExitStack, frame: Frame, clock: LiveClock, report: Notices, sound: LiveSound | None
    ) -> None:
        settings, shape = self.settings, shape_of(frame)
        if settings.virtual_camera is not None:
            self._outputs.append(virtual_camera(settings.virtual_camera, shape, settings.fps, clock, report))
            stack.callback(self._outputs[-1].close)
        if settings.record is not None:
            target = recording_target(settings.record, shape.format, self.encoding)
            options = (settings.fps, self.overwrite, clock, report, sound is not None)
            output, recorder = recording(target, shape, *options)
            self._outputs.append(output)
            stack.callback(output.close)
            if sound is not None:
                sound.send_to(recorder.hear)

    def _show(self, pipeline: LivePipeline, controls: Controls, report: Notices) -> float:
        """Hand frames to all outputs until the end; gives how many seconds that was."""
        clock = pipeline.clock
        started = newest = clock.now()
        lateness_due = started + _LATENESS_SECONDS if self.settings.delay else float("inf")
        while not self._done(clock.now() - started, controls):
            if clock.now() > lateness_due:
                lateness_due = float("inf")
                report(_lateness(pipeline.figures))
            frame = self._newest(pipeline, controls)
            if frame is not None:
                newest = clock.now()
            elif clock.now() - newest > _SILENT_SECONDS:
                newest = clock.now()
                report(f"camera {self.settings.camera}: gives no frames; waiting")
            if self._view is not None:
                self._view.update(None if controls.frozen else frame, controls, report.current)
        return clock.now() - started

    def _newest(self, pipeline: LivePipeline, controls: Controls) -> Frame | None:
        """Hand all waiting composites to the outputs; gives the newest one, for the window."""
        newest = frame = self._next(pipeline)
        while frame is not None:
            newest = frame
            for output in self._outputs if not controls.frozen else ():
                output.put(frame)
            frame = self._next(pipeline, 0)
        return newest

    def _done(self, seconds: float, controls: Controls) -> bool:
        has_output = self._view is not None or not all(output.failed for output in self._outputs)
        over = self.duration is not None and seconds >= self.duration
        return self._stopped or controls.quit or over or not has_output

    def _summary(self, seconds: float, pipeline: LivePipeline, controls: Controls) -> WebcamSummary:
        outputs = [] if self._view is None else [self._view.figures]
        outputs += [output.figures for output in self._outputs]
        failed = any(output.failed for output in self._outputs)
        settings = replace(self.settings, **controls.settings())
        return WebcamSummary(seconds, pipeline.figures, outputs, settings, failed)


def _lateness(figures: LiveFigures) -> str:
    late = 1000 * figures.age_median
    return f"the image is {late:.0f} ms late: delay the microphone by as much (OBS: Sync Offset)"
