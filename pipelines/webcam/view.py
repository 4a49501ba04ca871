"""The window of the webcam: its image, the text over it, and its keys."""

from __future__ import annotations

from streamseg.frame import Frame
from streamseg.media.live.clock import LiveClock
from streamseg.media.live.window import Window
from streamseg.runtime import LatencyHistogram

from .controls import Controls
from .outputs import OutputFigures

__all__ = ["WebcamView"]


class WebcamView:
    """For the thread that created it only; errors raised: see Window."""

    def __init__(self, clock: LiveClock) -> None:
        self._window, self._clock = Window("streamseg"), clock
        self._newest: Frame | None = None
        self._ages, self._frames = LatencyHistogram(), 0

    def update(self, frame: Frame | None, controls: Controls, notice: str) -> None:
        """Show a new frame, or the last one again, and pass on the key that was pressed, and clicks."""
        self._newest = frame or self._newest
        if self._newest is None:
            return
        self._window.show(self._newest, controls.lines(notice))
        controls.press(self._window.key())
        for click in self._window.clicks():
            controls.click(click)
        if frame is not None:
            self._ages.add(self._clock.age(frame))
            self._frames += 1

    @property
    def figures(self) -> OutputFigures:
        """Figures up to now."""
        return OutputFigures("window", self._frames, self._ages.percentile(50), self._ages.percentile(95))

    def close(self) -> None:
        """Close the window."""
        self._window.close()
