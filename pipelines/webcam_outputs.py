"""Where live pictures go: each output takes them at its own speed, and stops none of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from streamseg.errors import StreamsegError
from streamseg.frame import Frame, PixelFormat
from streamseg.media.clock import LIVE_TIME_BASE, LiveClock
from streamseg.media.conform import Shape
from streamseg.media.origin import Origin
from streamseg.media.target import Encoding, Target, choose_target
from streamseg.media.virtual_camera import VirtualCamera
from streamseg.media.writer import open_writer
from streamseg.runtime import Delays, Mailbox, Pump
from streamseg.runtime.queue import End

from .webcam_settings import AUTOMATIC

__all__ = ["LiveOutput", "OutputFigures", "recording", "recording_target", "virtual_camera"]

# Programs that look at a virtual camera want to know a rate beforehand.
_USUAL_FPS = 30.0
# x264's own default for live pictures leaves no core for the network.
_LIVE_PRESET = "superfast"
# Frames behind a look of the network come close together; a recording need not lose them.
_RECORDING_SLOTS = 6


@dataclass(frozen=True, slots=True)
class OutputFigures:
    """What an output did.

    Attributes:
        name: of the output.
        frames: that it took.
        age_median, age_95: seconds from when a frame was taken until it was out: median and 95th percentile.
    """

    name: str
    frames: int
    age_median: float
    age_95: float


class LiveOutput:
    """Hands frames to ``write`` in a thread of its own.

    Args:
        name: for figures and messages.
        write: takes a frame; slow or failing, it holds up nothing else.
        close: called at the end, in the caller's thread.
        clock: of the frames' time stamps.
        say: called with one sentence if it fails.
        slots: frames that wait for ``write`` at most; more than one only where nobody looks at their age.

    Attributes:
        failed: whether it takes no more frames.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Frame], None],
        close: Callable[[], None],
        clock: LiveClock,
        say: Callable[[str], None],
        slots: int = 1,
    ) -> None:
        self.name, self.failed = name, False
        self._write, self._close, self._clock, self._say = write, close, clock, say
        self._inbox: Mailbox[Frame] = Mailbox(slots)
        self._ages, self._frames = Delays(), 0
        self._pump = Pump(self._arriving(), self._out, self._ended, name)

    def put(self, frame: Frame) -> None:
        """Hand over the newest frame; never waits."""
        self._inbox.put(frame)

    def _arriving(self) -> Iterator[Frame]:
        while not isinstance(frame := self._inbox.get(), End):
            yield frame

    def _out(self, frame: Frame) -> None:
        self._write(frame)
        self._ages.add(self._clock.age(frame))
        self._frames += 1

    def _ended(self, failure: BaseException | None) -> None:
        self.failed = failure is not None
        self._inbox.end()
        if failure is not None:
            self._say(str(failure) if isinstance(failure, StreamsegError) else f"{self.name}: {failure!r}")

    def close(self) -> None:
        """Take no more frames and finish. Raises what finishing raises."""
        self._inbox.end()
        self._pump.join()
        self._close()

    @property
    def figures(self) -> OutputFigures:
        """What it did so far."""
        return OutputFigures(self.name, self._frames, self._ages.percentile(50), self._ages.percentile(95))


def recording_target(path: str, source: PixelFormat, encoding: Encoding) -> Target:
    """How to record. Raises OptionError for a name or an encoding that cannot be."""
    target = choose_target(path, source, False, encoding)
    if target.codec == "libx264" and encoding.preset is None:
        return replace(target, options={**target.options, "preset": _LIVE_PRESET})
    return target


def recording(
    target: Target, shape: Shape, fps: float | None, overwrite: bool, clock: LiveClock, say: Callable[[str], None]
) -> LiveOutput:
    """Records into a file, each frame at the time when it was taken. Raises OutputError, OptionError."""
    rate = Fraction(fps or _USUAL_FPS).limit_denominator(1001)
    writer = open_writer(target, shape, Origin(LIVE_TIME_BASE, rate), (), overwrite)
    first: list[int] = []

    def write(frame: Frame) -> None:
        first[:] = first or [frame.pts]
        writer.write(replace(frame, pts=frame.pts - first[0]))

    def close() -> None:
        writer.finish() if first else writer.discard()

    return LiveOutput("recording", write, close, clock, say, _RECORDING_SLOTS)


def virtual_camera(
    device: str, shape: Shape, fps: float | None, clock: LiveClock, say: Callable[[str], None]
) -> LiveOutput:
    """Feeds a virtual camera. Raises MissingDependency, OutputError."""
    camera = VirtualCamera(shape, fps or _USUAL_FPS, None if device == AUTOMATIC else device)
    say(f"virtual camera {camera.name}: choose it in the other program")
    return LiveOutput("virtual camera", camera.write, camera.close, clock, say)
