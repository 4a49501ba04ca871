"""A video behind the subject, by its own time stamps, looped."""

from __future__ import annotations

from collections.abc import Iterator

from av.video.reformatter import VideoReformatter

from streamseg.background.fit import fitted
from streamseg.frame import Frame, Matte, Plane
from streamseg.media.card_frame import CardFrame
from streamseg.media.conform import Shape
from streamseg.media.reader import VideoReader

__all__ = ["VideoBackground"]


class VideoBackground:
    """Shows, at each time, the picture that a player of ``path`` on endless repeat would show.

    Its time runs from the first frame that is asked for. Damage in it is passed over.

    Raises:
        InputError: (on construction) it cannot be opened or holds no picture.
    """

    def __init__(self, path: str, shape: Shape) -> None:
        self._path, self._shape = path, shape
        self._reformatter = VideoReformatter()
        self._origin: float | None = None
        self._loop_start = 0.0
        self._open()
        self._current = self._next = self._advance()
        self._shown: tuple[Frame, tuple[Plane, ...]] | None = None

    def _open(self) -> None:
        self._reader = VideoReader(self._path, tolerant=True)
        self._frames: Iterator[object] = iter(self._reader)
        self._first_time: float | None = None
        rate = self._reader.info.frame_rate
        self._interval = 1 / float(rate) if rate else 0.04

    def _advance(self) -> tuple[float, Frame]:
        """The next picture and the time at which it is due; starts over at the end."""
        frame = next(self._frames, None)
        if frame is None:
            self._loop_start = self._next[0] + self._interval
            self._reader.close()
            self._open()
            frame = next(self._frames)
        assert isinstance(frame, Frame)
        if self._first_time is None:
            self._first_time = frame.time
        return self._loop_start + frame.time - self._first_time, frame

    def planes(self, frame: Frame | CardFrame, matte: Matte) -> tuple[Plane, ...]:
        if self._origin is None:
            self._origin = frame.time
        time = frame.time - self._origin + 1e-6
        while self._next[0] <= time:
            self._current = self._next
            self._next = self._advance()
        picture = self._current[1]
        if self._shown is None or self._shown[0] is not picture:
            self._shown = picture, self._convert(picture)
        return self._shown[1]

    def _convert(self, picture: Frame) -> tuple[Plane, ...]:
        return fitted(picture, self._shape, self._reformatter)

    def close(self) -> None:
        self._reader.close()
