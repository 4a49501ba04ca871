"""A camera in, a window, a virtual camera and a recording out: the newest frame first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from threading import Event
from typing import Any

from streamseg.errors import InputError, StageError
from streamseg.frame import Frame
from streamseg.media.camera import Camera
from streamseg.media.clock import LiveClock
from streamseg.media.devices import devices_here
from streamseg.media.target import Encoding
from streamseg.runtime import Pump

from .live import LiveFigures, LiveLine, open_live_device
from .scenery import LIVE_FORMAT, shape_of
from .webcam_controls import Controls, Notices
from .webcam_outputs import LiveOutput, OutputFigures, recording, recording_target, virtual_camera
from .webcam_settings import WebcamSettings
from .webcam_view import WebcamView

__all__ = ["WebcamJob", "WebcamSummary"]

_OPEN_SECONDS, _SILENT_SECONDS = 15.0, 5.0
_TICK_S = 0.05
# Composites that come while the window is drawn: a recording wants them too.
_SLOTS = 4


@dataclass(frozen=True, slots=True)
class WebcamSummary:
    """What a webcam line did.

    Attributes:
        seconds: from the first composite to the end.
        figures: of the line.
        outputs: of each output.
        settings: as they are at the end, what the keys changed included.
        failed: whether an output gave up.
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
            f"{figures.arrived} frames came, {figures.shown} composited ({figures.shown / self.seconds:.1f} fps), "
            f"{figures.lost} made place for newer ones; the network saw every {figures.every}. at the end",
            *(
                f"{out.name}: {out.frames} frames, age {1000 * out.age_median:.0f} ms (median), "
                f"{1000 * out.age_95:.0f} ms (95 %)"
                for out in self.outputs
            ),
        ]
        return "\n".join(lines)


@dataclass
class WebcamJob:
    """``run`` shows live pictures until ``stop``, the key q, or ``duration`` seconds.

    Args:
        settings: camera, backgrounds, outputs.
        encoding: of the recording.
        overwrite: replace an existing recording.
        duration: seconds; None for no end.
        tell: takes sentences for the user.
        network: model, weights, precision, device, threads; see Segmenter.
    """

    settings: WebcamSettings
    encoding: Encoding = field(default_factory=Encoding)
    overwrite: bool = False
    duration: float | None = None
    tell: Callable[[str], None] = lambda sentence: None
    network: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stopped = False
        self._outputs: list[LiveOutput] = []
        self._view: WebcamView | None = None

    def stop(self) -> None:
        """End soon. Safe in signal handlers and from any thread."""
        self._stopped = True

    def run(self) -> WebcamSummary:
        """Do it; belongs to the main thread if there is a window.

        Raises:
            InputError: no such camera or background, or a camera that gives no picture in time.
            OptionError, OutputError, MissingDependency: an output cannot be had.
            KeyboardInterrupt: stopped before the first picture.
        """
        say, clock, wanted = Notices(self.tell), LiveClock(), self.settings
        if wanted.record is not None:
            recording_target(wanted.record, LIVE_FORMAT, self.encoding)
        with ExitStack() as stack:
            if not wanted.headless:  # before the camera's light goes on
                self._view = WebcamView(clock)
                stack.callback(self._view.close)
            device = open_live_device(wanted.live(), **self.network)
            line = LiveLine(device, wanted.live(), clock, say, _SLOTS)
            stack.callback(line.close)
            camera = self._open_camera(stack, line, say)
            self._open_outputs(stack, self._first(line), clock, say)
            controls = Controls(line, camera, wanted.bg, say)
            stack.callback(controls.close)
            seconds = self._show(line, controls, say)
        return self._summary(seconds, line, controls)

    def _open_camera(self, stack: ExitStack, line: LiveLine, say: Notices) -> Camera:
        """Open the camera, in a thread of its own, and wait for its first picture."""
        camera, arrived = Camera(self.settings.camera, self.settings.request(), line.clock, say), Event()
        camera.mirror = self.settings.mirror
        stack.callback(camera.close)

        def put(frame: Frame) -> None:
            line.put(frame)
            arrived.set()

        def end(failure: BaseException | None) -> None:
            line.end(failure)
            arrived.set()

        Pump(camera, put, end, "camera")
        limit = line.clock.now() + _OPEN_SECONDS
        while not arrived.wait(_TICK_S) and not self._stopped:
            if line.clock.now() > limit:
                what = f"camera {self.settings.camera}: no picture within {_OPEN_SECONDS:.0f} s"
                raise InputError(f"{what}; {devices_here()}")
        return camera

    def _first(self, line: LiveLine) -> Frame:
        while not self._stopped:
            frame = self._next(line)
            if frame is not None:
                return frame
        raise KeyboardInterrupt

    def _next(self, line: LiveLine, timeout: float = _TICK_S) -> Frame | None:
        try:
            shown = line.get(timeout)
        except StageError as error:
            raise error.plain from error.__cause__
        return None if shown is None else shown.frame

    def _open_outputs(self, stack: ExitStack, frame: Frame, clock: LiveClock, say: Notices) -> None:
        wanted, shape = self.settings, shape_of(frame)
        if wanted.virtual_camera is not None:
            self._outputs.append(virtual_camera(wanted.virtual_camera, shape, wanted.fps, clock, say))
            stack.callback(self._outputs[-1].close)
        if wanted.record is not None:
            target = recording_target(wanted.record, shape.format, self.encoding)
            self._outputs.append(recording(target, shape, wanted.fps, self.overwrite, clock, say))
            stack.callback(self._outputs[-1].close)

    def _show(self, line: LiveLine, controls: Controls, say: Notices) -> float:
        """Hand frames to all outputs; gives how many seconds it went on."""
        clock = line.clock
        started = newest = clock.now()
        while not self._done(clock.now() - started, controls):
            frame = self._newest(line, controls)
            if frame is not None:
                newest = clock.now()
            elif clock.now() - newest > _SILENT_SECONDS:
                newest = clock.now()
                say(f"camera {self.settings.camera}: gives no pictures; waiting")
            if self._view is not None:
                self._view.update(None if controls.frozen else frame, controls, say.current)
        return clock.now() - started

    def _newest(self, line: LiveLine, controls: Controls) -> Frame | None:
        """Hand what has come to the outputs; gives the newest, for the window."""
        newest = frame = self._next(line)
        while frame is not None:
            newest = frame
            for output in self._outputs if not controls.frozen else ():
                output.put(frame)
            frame = self._next(line, 0)
        return newest

    def _done(self, seconds: float, controls: Controls) -> bool:
        seen = self._view is not None or not all(output.failed for output in self._outputs)
        over = self.duration is not None and seconds >= self.duration
        return self._stopped or controls.quit or over or not seen

    def _summary(self, seconds: float, line: LiveLine, controls: Controls) -> WebcamSummary:
        outputs = [] if self._view is None else [self._view.figures]
        outputs += [output.figures for output in self._outputs]
        failed = any(output.failed for output in self._outputs)
        settings = replace(self.settings, **controls.settings())
        return WebcamSummary(seconds, line.figures, outputs, settings, failed)
