"""Where live frames go: each output takes them at its own speed and never delays the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streamseg.errors import StreamsegError
from streamseg.frame import Frame
from streamseg.media.live.clock import LiveClock
from streamseg.media.live.virtual_camera import VirtualCamera
from streamseg.media.pixels.conform import Shape
from streamseg.runtime import LatencyHistogram, Mailbox, Pump
from streamseg.runtime.queue import End

from .settings import AUTOMATIC

__all__ = ["DEFAULT_FPS", "LiveOutput", "OutputFigures", "virtual_camera"]

#: Programs that read a virtual camera need a frame rate beforehand.
DEFAULT_FPS = 30.0


@dataclass(frozen=True, slots=True)
class OutputFigures:
    """What an output did.

    Attributes:
        name: of the output.
        frames: frames it wrote or showed.
        age_median, age_95: seconds from capture to output: median and 95th percentile over its frames.
    """

    name: str
    frames: int
    age_median: float
    age_95: float


class LiveOutput:
    """Passes frames to ``write`` in a thread of its own.

    Args:
        name: for figures and messages.
        write: takes a frame; if it is slow or fails, nothing else is delayed.
        close: called by LiveOutput.close, in its thread.
        clock: of the frames' time stamps.
        report: called with one message if ``write`` fails.
        slots: frames that wait for ``write`` at most; more than one only where their age does not matter.

    Attributes:
        failed: whether ``write`` has failed; then it takes no more frames.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Frame], None],
        close: Callable[[], None],
        clock: LiveClock,
        report: Callable[[str], None],
        slots: int = 1,
    ) -> None:
        self.name, self.failed = name, False
        self._write, self._close, self._clock, self._report = write, close, clock, report
        self._inbox: Mailbox[Frame] = Mailbox(slots)
        self._ages, self._count = LatencyHistogram(), 0
        self._pump = Pump(self._frames_put(), self._write_frame, self._ended, name)

    def put(self, frame: Frame) -> None:
        """Hand over the newest frame; never waits."""
        self._inbox.put(frame)

    def _frames_put(self) -> Iterator[Frame]:
        while not isinstance(frame := self._inbox.get(), End):
            yield frame

    def _write_frame(self, frame: Frame) -> None:
        self._write(frame)
        self._ages.add(self._clock.age(frame))
        self._count += 1

    def _ended(self, failure: BaseException | None) -> None:
        self.failed = failure is not None
        self._inbox.end()
        if failure is not None:
            self._report(str(failure) if isinstance(failure, StreamsegError) else f"{self.name}: {failure!r}")

    def close(self) -> None:
        """Take no more frames, write those that wait, and close; raises what ``close`` of the output raises."""
        self._inbox.end()
        self._pump.join()
        self._close()

    @property
    def figures(self) -> OutputFigures:
        """Figures up to now."""
        return OutputFigures(self.name, self._count, self._ages.percentile(50), self._ages.percentile(95))


def virtual_camera(
    device: str, shape: Shape, fps: float | None, clock: LiveClock, report: Callable[[str], None]
) -> LiveOutput:
    """Feeds a virtual camera. Raises MissingDependency, OutputError."""
    camera = VirtualCamera(shape, fps or DEFAULT_FPS, None if device == AUTOMATIC else device)
    report(f"virtual camera {camera.name}: choose it in the other program")
    return LiveOutput("virtual camera", camera.write, camera.close, clock, report)
