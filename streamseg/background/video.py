"""A video as the background, played by its own time stamps, looped."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

from av.video.reformatter import VideoReformatter

from streamseg.background.fit import fitted
from streamseg.frame import Frame, Matte, Plane
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.gpu_frame import GPUFrame
from streamseg.media.reading.reader import VideoReader

__all__ = ["VideoBackground"]


class VideoBackground:
    """Shows at each time the frame that a player of ``path`` on endless repeat would show.

    Damage in it is skipped.

    Args:
        path: of the video.
        shape: of the frames.
        begins: time at which it begins, in seconds; None for that of the first frame that ``planes`` is called for.

    Raises:
        InputError: (on construction) it cannot be opened or has no frame that decodes.
    """

    def __init__(self, path: str, shape: Shape, begins: float | None = None) -> None:
        self._path, self._shape = path, shape
        self._reformatter = VideoReformatter()
        self._origin = begins
        self._loop_start = 0.0
        self._open()
        self._current = self._next = self._advance()
        self._converted: tuple[Frame, tuple[Plane, ...]] | None = None

    def _open(self) -> None:
        self._reader = VideoReader(self._path, tolerant=True)
        self._frames: Iterator[object] = iter(self._reader)
        self._first_time: float | None = None
        rate = self._reader.info.frame_rate
        self._interval = 1 / float(rate) if rate else 0.04

    def _advance(self, time: float = 0.0) -> tuple[float, Frame]:
        """The time at which the next frame is due, and the frame; at the end, from the beginning again.

        Whole loops before ``time`` are passed over.
        """
        frame = next(self._frames, None)
        if frame is None:
            start = self._next[0] + self._interval
            loop = start - self._loop_start
            self._loop_start = start + loop * max(0, floor((time - start) / loop))
            self._reader.close()
            self._open()
            frame = next(self._frames)
        assert isinstance(frame, Frame)
        if self._first_time is None:
            self._first_time = frame.time
        return self._loop_start + frame.time - self._first_time, frame

    def planes(self, frame: Frame | GPUFrame, matte: Matte) -> tuple[Plane, ...]:
        if self._origin is None:
            self._origin = frame.time
        time = frame.time - self._origin + 1e-6
        while self._next[0] <= time:
            self._current = self._next
            self._next = self._advance(time)
        current = self._current[1]
        if self._converted is None or self._converted[0] is not current:
            self._converted = current, fitted(current, self._shape, self._reformatter)
        return self._converted[1]

    def close(self) -> None:
        self._reader.close()
