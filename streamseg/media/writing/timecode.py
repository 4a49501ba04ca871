"""SMPTE timecodes, as cameras and editors write them."""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["shifted_timecode"]

_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")


def shifted_timecode(text: str, seconds: float, rate: Fraction) -> str | None:
    """The timecode that is ``seconds`` later at ``rate`` frames per second; None if ``text`` is none.

    Drop-frame timecodes (with ";") skip two numbers (four at 60 Hz) every minute but each tenth.
    """
    match = _TIMECODE.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, whole, frames = (int(match[k]) for k in (1, 2, 3, 5))
    per_second = max(1, round(rate))
    dropped = per_second // 15 if match[4] != ":" else 0
    total_minutes = 60 * hours + minutes
    number = (60 * total_minutes + whole) * per_second + frames - dropped * (total_minutes - total_minutes // 10)
    number += round(Fraction(seconds) * rate)
    if dropped:
        number += dropped * _skips(number, per_second, dropped)
    whole, frames = divmod(number, per_second)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours % 24:02d}:{minutes:02d}:{whole:02d}{match[4]}{frames:02d}"


def _skips(number: int, per_second: int, dropped: int) -> int:
    """How many minutes before the ``number``-th frame skipped some numbers."""
    per_minute = 60 * per_second - dropped
    tens, rest = divmod(number, 10 * per_minute + dropped)
    return int(9 * tens + (max(0, rest - dropped) // per_minute if rest >= 60 * per_second else 0))
