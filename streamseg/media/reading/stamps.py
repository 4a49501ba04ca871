"""Time stamps of decoded frames: the more trustworthy of two, in strictly rising order."""

from __future__ import annotations

from fractions import Fraction

from av.video.frame import VideoFrame

__all__ = ["FrameStamps"]

_BACK_S = Fraction(1, 10)


class FrameStamps:
    """Gives every frame of a stream a pts, each later than the one before.

    A decoder copies a packet's pts and dts to its frame. As in ffmpeg, the one that has gone back less often is used.
    A frame that would not be later than the one before gets the smallest step; where stamps go back further than that,
    all later ones follow.

    Args:
        time_base: seconds per unit of pts.
        interval: usual distance of two frames, in units of ``time_base``, for frames without any stamp.

    Attributes:
        guessed: whether there was a frame without a pts of its own.
    """

    def __init__(self, time_base: Fraction, interval: int) -> None:
        self.guessed = False
        self._time_base, self._interval = time_base, max(1, interval)
        self._last: int | None = None
        self._shift = self._moved = self._first_moved = 0
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faulty_pts = self._faulty_dts = 0

    @property
    def warnings(self) -> list[str]:
        """One sentence if frames were moved."""
        if not self._moved:
            return []
        time = float(self._first_moved * self._time_base)
        return [f"from {time:.3f} s on {self._moved} frame(s) had no later time stamp than the one before: moved"]

    def stamp(self, native: VideoFrame) -> None:
        """Set ``native.pts``."""
        self.guessed |= native.pts is None
        pts = self._chosen(native.pts, native.dts)
        if pts is None:
            pts = 0 if self._last is None else self._last + self._interval
        else:
            pts += self._shift
        if self._last is not None and pts <= self._last:
            pts = self._later(pts, self._last)
        native.pts = self._last = pts

    def _later(self, pts: int, last: int) -> int:
        if not self._moved:
            self._first_moved = last
        self._moved += 1
        if (last - pts) * self._time_base <= max(_BACK_S, 2 * self._interval * self._time_base):
            return last + 1
        self._shift += last + self._interval - pts
        return last + self._interval

    def _chosen(self, pts: int | None, dts: int | None) -> int | None:
        """FFmpeg's guess_correct_pts."""
        last_pts, last_dts = self._last_pts, self._last_dts
        if dts is not None:
            self._faulty_dts += last_dts is not None and dts <= last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += last_pts is not None and pts <= last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        if pts is not None and (self._faulty_pts <= self._faulty_dts or dts is None):
            return pts
        return dts
