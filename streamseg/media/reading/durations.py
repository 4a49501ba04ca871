"""How long frames are shown."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Durations"]

# More frames than any pipeline has in flight.
_MOST = 4096


class Durations:
    """Durations of frames on their way from a reader to a writer, by pts, both in the reader's time base.

    One thread may note, another one take.

    Attributes:
        end: where the last frame ends, once everything is read; None where unknown. Files store it with the packet that
            is decoded last, which may be another frame's.
    """

    def __init__(self) -> None:
        self.end: int | None = None
        self._by_pts: OrderedDict[int, int] = OrderedDict()

    def note(self, pts: int, duration: int) -> None:
        """Remember the duration of a frame; 0 is unknown."""
        if duration > 0:
            self._by_pts[pts] = duration
        if len(self._by_pts) > _MOST:
            self._by_pts.popitem(last=False)

    def take(self, pts: int) -> int:
        """The duration that was noted; 0 where unknown."""
        return self._by_pts.pop(pts, 0)
