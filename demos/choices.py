"""What a visitor has chosen on the page. It comes from outside: everything is checked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamseg.errors import InputError, OptionError
from streamseg.matting.choosing.choice import SubjectPoint

from .gallery import GALLERY

__all__ = ["CONTROLS", "SPEEDS", "UPLOADED", "Choices"]

#: The controls, in the order in which the page sends their values.
CONTROLS = ("background", "blur", "colour", "steady", "edges", "speed", "view")
SPEEDS = ("auto", "best", "balanced", "fast")
#: Name on the page of the visitor's own background.
UPLOADED = "Yours"
_MOST_POINTS = 20
_RGB = re.compile(r"rgba?\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)")


@dataclass(frozen=True, slots=True)
class Choices:
    """The controls of the page.

    Attributes:
        background: a name of the gallery, "Blur", "Colour" or "Yours".
        blur: strength, above 0 and up to 1.
        colour: "#rrggbb".
        steady: 0 to 1, see Matting.
        edges: refine edges.
        speed: one of SPEEDS.
        matte: show the matte and not the composite.
        subject: points on the picture, in the order of the clicks: who is kept, or is not; empty for all.
    """

    background: str = "Blur"
    blur: float = 0.5
    colour: str = "#00b140"
    steady: float = 0.5
    edges: bool = True
    speed: str = "auto"
    matte: bool = False
    subject: tuple[SubjectPoint, ...] = ()

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Choices:
        """The values that the page sent, keyed by CONTROLS; a missing one is the default.

        Raises:
            OptionError: a value that the page cannot have.
        """
        choices = cls(
            background=str(values.get("background", "Blur")),
            blur=_number(values, "blur", 0.5, 0.01),
            colour=_colour(str(values.get("colour", "#00b140"))),
            steady=_number(values, "steady", 0.5, 0.0),
            edges=bool(values.get("edges", True)),
            speed=str(values.get("speed", "auto")),
            matte=values.get("view") == "Matte",
            subject=_points(values.get("subject", [])),
        )
        if choices.background not in (*GALLERY, "Blur", "Colour", UPLOADED):
            raise OptionError(f"background {choices.background[:40]!r}: not one of this page")
        if choices.speed not in SPEEDS:
            raise OptionError(f"speed {choices.speed[:40]!r}: expected {', '.join(SPEEDS)}")
        return choices

    def background_option(self, uploaded: Path | None) -> str:
        """The background as ``--bg`` takes it.

        Args:
            uploaded: the visitor's own background, if there is one.

        Raises:
            InputError: "Yours" is chosen and there is none.
        """
        if self.matte:
            return "matte"
        if self.background == "Blur":
            return f"blur:{self.blur:g}"
        if self.background == "Colour":
            return self.colour
        if self.background == UPLOADED:
            if uploaded is None:
                raise InputError("There is no background of yours yet: upload an image or a video first")
            return str(uploaded)
        return str(GALLERY[self.background])


def _number(values: Mapping[str, Any], name: str, default: float, minimum: float) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise OptionError(f"{name}: expected a number from 0 to 1")
    return min(1.0, max(minimum, float(value)))


def _points(values: Any) -> tuple[SubjectPoint, ...]:
    """Objects with x and y in fractions, and keep; the newest ones, if there are too many."""
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise OptionError("subject: expected a list of points")
    points = values[-_MOST_POINTS:]
    return tuple(
        SubjectPoint(_number(each, "x", 0.5, 0.0), _number(each, "y", 0.5, 0.0), keep=bool(each.get("keep", True)))
        for each in points
    )


def _colour(text: str) -> str:
    """As #rrggbb; browsers' colour pickers give that or rgba(r, g, b, a)."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return text.lower()
    match = _RGB.match(text)
    if match is None:
        raise OptionError(f"colour {text[:40]!r}: expected #rrggbb")
    return "#" + "".join(f"{min(255, round(float(channel))):02x}" for channel in match.groups())
