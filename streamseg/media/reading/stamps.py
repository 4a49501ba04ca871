"""Time stamps of decoded frames: the more trustworthy of two, in strictly rising order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

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
        begin: pts of the first frame, if it has no stamp.
        guessed: whether there was a frame without a pts of its own, or with one that is wrong.
    """

    def __init__(self, time_base: Fraction, interval: int) -> None:
        self.begin, self.guessed = 0, False
        self._time_base, self._interval = time_base, max(1, interval)
        self._last: int | None = None
        self._shift = self._moved = self._first_moved = 0
        self._step, self._by_dts = 0, False
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

    def judge(self, first: Sequence[VideoFrame]) -> None:
        """Look at the first frames before any is stamped: does their order agree with their pts, or with their dts?

        AVI, ASF and some MXF files store no presentation times, so that FFmpeg gives packets with B frames rising ones.
        """
        pts, dts = (_faults(getattr(native, name) for native in first) for name in ("pts", "dts"))
        if pts > dts:
            self._faulty_pts, self.guessed = pts, True

    def stamp(self, native: VideoFrame) -> None:
        """Set ``native.pts``."""
        self.guessed |= native.pts is None
        pts = self._chosen(native.pts, native.dts)
        if native.dts is None and self._by_dts:
            pts = None  # one of the last frames, which the decoder held
        elif native.dts is not None:
            self._by_dts = self._faulty_pts > self._faulty_dts
        if pts is None:
            pts = self.begin if self._last is None else self._last + self._usual_step
        else:
            pts += self._shift
        if self._last is not None and not self._is_later(pts):
            pts = self._later(pts, self._last)
        self._step = 0 if self._last is None else pts - self._last
        native.pts = self._last = pts

    @property
    def _usual_step(self) -> int:
        """The last one, unless that was a gap: the rate of an AVI file may be twice that of its frames."""
        return self._step if 0 < self._step <= 4 * self._interval else self._interval

    def _is_later(self, pts: int) -> bool:
        return self._last is None or pts > self._last

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
        return pts if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts) else dts


def _faults(stamps: Iterable[int | None]) -> int:
    """How many of some time stamps are not later than the one before."""
    known = [stamp for stamp in stamps if stamp is not None]
    return sum(after <= before for before, after in pairwise(known))
