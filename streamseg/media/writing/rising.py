"""Decoding time stamps that rise, as containers demand."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

from av.packet import Packet
from av.stream import Stream

__all__ = ["Rising", "rescaled"]


def rescaled(stamp: int, before: Fraction, after: Fraction) -> int:
    """``stamp`` in units of ``before`` as the closest one in units of ``after``, halves rounded up."""
    return floor(stamp * before / after + Fraction(1, 2))


class Rising:
    """Moves packets of one stream by the smallest step where their dts does not rise.

    Args:
        name: of the stream, for messages.
        step: 1 where dts must rise; 0 where equal ones are accepted.
    """

    def __init__(self, name: str, step: int) -> None:
        self._name, self._step = name, step
        self._last: int | None = None
        self._moved, self._first = 0, 0.0

    @property
    def warning(self) -> str | None:
        """One sentence if packets were moved."""
        if not self._moved:
            return None
        return f"{self._name}: {self._moved} time stamp(s) from {self._first:.3f} s on did not rise: moved"

    def __call__(self, packet: Packet[Any], target: Stream) -> None:
        """Change ``packet`` if it must be; in units of the time base of its stream in the output."""
        unit, before = target.time_base, packet.time_base
        stamp = packet.pts if packet.dts is None else packet.dts
        if stamp is None or not unit or not before:
            return
        dts = rescaled(stamp, Fraction(before), Fraction(unit))
        if self._last is not None and dts < self._last + self._step:
            self._first = self._first if self._moved else float(self._last * unit)
            self._moved += 1
            dts = self._last + self._step
            pts = dts if packet.pts is None else rescaled(packet.pts, Fraction(before), Fraction(unit))
            duration = rescaled(packet.duration or 0, Fraction(before), Fraction(unit))
            packet.time_base = unit
            packet.dts, packet.pts, packet.duration = dts, max(pts, dts), duration
        self._last = dts
