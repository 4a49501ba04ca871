"""What a user chooses: points, boxes, and how many subjects stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from streamseg.errors import OptionError

__all__ = ["Mark", "PlacedMark", "Subject", "SubjectBox", "SubjectChoice", "SubjectPoint"]

# What to look for where marks do not say: see streamseg.device.protocol.SUBJECTS.
_DEFAULT_KIND = "auto"


@dataclass(frozen=True, slots=True)
class SubjectPoint:
    """A point on the subject, or on what is not to be kept.

    Attributes:
        x, y: from left and top: fractions of the width and height where both are floats of at most 1, else pixels.
        time: of the frame that it was set on, in seconds of the frames' time stamps; the first frame at or after it
            counts. None for the first frame of all.
        keep: whether what it lies on is kept, or taken away.
    """

    x: float
    y: float
    time: float | None = None
    keep: bool = True


@dataclass(frozen=True, slots=True)
class SubjectBox:
    """A box around the subject.

    Attributes:
        x, y: its left and upper side; fractions where x, y, width and height are floats of at most 1, else pixels.
        width, height: its size, likewise.
        time: as for SubjectPoint.
    """

    x: float
    y: float
    width: float
    height: float
    time: float | None = None

    @property
    def keep(self) -> bool:
        """What is in a box is kept."""
        return True


Mark = SubjectPoint | SubjectBox
#: What stands for a SubjectChoice where a subject is asked for: a kind, a mark, several, or the choice itself.
Subject: TypeAlias = "str | Mark | Sequence[Mark] | SubjectChoice"


@dataclass(frozen=True, slots=True)
class PlacedMark:
    """A mark in a frame of known size, in fractions of it.

    Attributes:
        left, top, right, bottom: the box; a point has no area.
        keep, time: see SubjectPoint.
    """

    left: float
    top: float
    right: float
    bottom: float
    keep: bool = True
    time: float | None = None

    @property
    def is_point(self) -> bool:
        """Whether it is a point."""
        return self.left == self.right and self.top == self.bottom


@dataclass(frozen=True, slots=True)
class SubjectChoice:
    """Which subject: what kind, which of them by marks, and how many.

    Attributes:
        kind: what is looked for, see streamseg.device.protocol.SUBJECTS.
        marks: points and boxes on what is kept or taken away; none for all that is found.
        count: how many separate subjects stay, the largest ones; None for all of them.

    Raises:
        OptionError: a count that is not positive, or together with marks.
    """

    kind: str = _DEFAULT_KIND
    marks: tuple[Mark, ...] = ()
    count: int | None = None

    def __post_init__(self) -> None:
        if self.count is not None and (not isinstance(self.count, int) or self.count < 1):
            raise OptionError(f"subjects {self.count!r}: expected all, largest or a number of 1 or more")
        if self.count is not None and self.marks:
            raise OptionError(f"subjects {self.count}: points and boxes say already which ones stay; leave it out")

    @classmethod
    def of(cls, subject: Any) -> SubjectChoice:
        """The choice that an argument ``subject`` stands for: a kind, a mark, several marks, or a choice.

        Raises:
            OptionError: it is something else.
        """
        if isinstance(subject, SubjectChoice):
            return subject
        if isinstance(subject, str):
            return cls(subject)
        marks = (subject,) if isinstance(subject, Mark) else subject
        if isinstance(marks, Iterable):
            marks = tuple(marks)
            if marks and all(isinstance(mark, Mark) for mark in marks):
                return cls(marks=marks)
        raise OptionError(f"subject {subject!r}: expected a kind, or SubjectPoint and SubjectBox")

    @property
    def keeps(self) -> bool:
        """Whether a mark says what is kept."""
        return any(mark.keep for mark in self.marks)

    @property
    def is_automatic(self) -> bool:
        """Whether nothing is chosen: all of that kind that is found stays."""
        return not self.marks and self.count is None

    def later(self, seconds: float) -> SubjectChoice:
        """The same for time stamps that count from ``seconds`` of the ones before.

        Raises:
            OptionError: a mark is before that.
        """
        for mark in self.marks:
            if mark.time is not None and mark.time < seconds:
                raise OptionError(
                    f"{_described(mark)} at {mark.time:g} s: before the part that starts at {seconds:g} s"
                )
        moved = (mark if mark.time is None else replace(mark, time=mark.time - seconds) for mark in self.marks)
        return replace(self, marks=tuple(moved))

    def placed(self, width: int, height: int) -> tuple[PlacedMark, ...]:
        """The marks in frames of that size.

        Raises:
            OptionError: one lies outside, or a box is empty.
        """
        return tuple(_placed(mark, width, height) for mark in self.marks)


def _numbers(mark: Mark) -> tuple[float, ...]:
    return (mark.x, mark.y, mark.width, mark.height) if isinstance(mark, SubjectBox) else (mark.x, mark.y)


def _described(mark: Mark) -> str:
    name = "subject box" if isinstance(mark, SubjectBox) else "subject" if mark.keep else "exclude"
    return f"{name} {','.join(f'{number}' for number in _numbers(mark))}"


def _placed(mark: Mark, width: int, height: int) -> PlacedMark:
    numbers = _numbers(mark)
    fractions = all(isinstance(number, float) and number <= 1 for number in numbers)
    across, down = (1.0, 1.0) if fractions else (1 / width, 1 / height)
    left, top = mark.x * across, mark.y * down
    right, bottom = left, top
    if isinstance(mark, SubjectBox):
        right, bottom = left + mark.width * across, top + mark.height * down
        if mark.width <= 0 or mark.height <= 0:
            raise OptionError(f"{_described(mark)}: expected a width and a height above 0")
    elif not fractions:  # the middle of the pixel
        left = right = left + across / 2
        top = bottom = top + down / 2
    # NaN fails too.
    if not (0 <= left <= right <= 1 + 1e-6 and 0 <= top <= bottom <= 1 + 1e-6):
        raise OptionError(f"{_described(mark)}: outside the picture of {width}×{height} pixels")
    return PlacedMark(left, top, right, bottom, mark.keep, mark.time)
