"""The part of an input that is read, and the time that counts as zero."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from streamseg.media.reading.timeline import has_discontinuities

__all__ = ["Span"]

_MICROSECONDS = 1_000_000
# Packets of one stream may be stored up to about this long after those of another stream with the same time.
_INTERLEAVING_S = 2
_EPSILON_S = 1e-6
# Broadcasts and cameras start their clocks anywhere; nobody waits that long for the first frame.
_LATE_START_S = 60


@dataclass(frozen=True, slots=True)
class Span:
    """A part of an input.

    Attributes:
        start: seconds to skip.
        duration: seconds to read; None for all.
        first, end: the same as times of the input, in seconds; None where there is no limit.
        shift: seconds to be subtracted from all time stamps.
    """

    start: float
    duration: float | None
    first: float | None
    end: float | None
    shift: Fraction

    @classmethod
    def of(
        cls, container: InputContainer, video: VideoStream, start: float, duration: float | None, negative: bool
    ) -> Span:
        """The part of ``container`` from ``start`` on, in seconds; ``negative``: its first frames are before zero."""
        origin = (container.start_time or 0) / _MICROSECONDS
        return cls(
            start,
            duration,
            origin + start if start else None,
            None if duration is None else origin + start + duration,
            Fraction(start) + Fraction(_arbitrary_origin(container, video, origin, negative)),
        )

    @property
    def is_all(self) -> bool:
        """Whether it is the whole input."""
        return self.start == 0 and self.duration is None

    def begun(self, time: float) -> bool:
        """Whether a frame at ``time`` is not before it."""
        return self.first is None or time >= self.first - _EPSILON_S

    def ended(self, time: float) -> bool:
        """Whether a frame at ``time`` is after it."""
        return self.end is not None and time >= self.end - _EPSILON_S

    def precedes(self, time: float) -> bool:
        """Whether all of it is at ``time`` or later."""
        return time <= (self.first or 0) + _EPSILON_S

    def is_far_behind(self, packet: Packet[Any]) -> bool:
        """Whether no packet that plays within it is stored after ``packet``."""
        if self.end is None or packet.dts is None:
            return False
        return bool(packet.dts * packet.time_base > self.end + _INTERLEAVING_S)

    def shift_packet(self, packet: Packet[Any]) -> bool:
        """Have the time stamps of ``packet`` count from the start; False, and no change, if it is not within."""
        if packet.dts is None or not packet.size:
            return False
        time_base = Fraction(packet.time_base)
        time = float((packet.dts if packet.pts is None else packet.pts) * time_base)
        if (self.first is not None and time < self.first) or (self.end is not None and time >= self.end):
            return False
        shift = round(self.shift / time_base)
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        return True


def _arbitrary_origin(container: InputContainer, video: VideoStream, origin: float, negative: bool) -> float:
    """The container's first time stamp, where that is no time in the video: before zero, or any clock's hour."""
    starts_before_zero = negative or (video.start_time or 0) < 0
    starts_late = has_discontinuities(container) and origin > _LATE_START_S
    return origin if starts_before_zero or starts_late else 0.0
