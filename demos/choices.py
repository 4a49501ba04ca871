"""What a visitor has chosen on the page. It comes from outside: everything is checked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamseg.errors import InputError, OptionError

from .gallery import GALLERY

__all__ = ["NAMES", "SPEEDS", "YOURS", "Choices"]

#: The controls, in the order in which the page hands over their values.
NAMES = ("background", "blur", "colour", "steady", "edges", "speed", "view")
SPEEDS = ("auto", "best", "balanced", "fast")
YOURS = "Yours"
_RGB = re.compile(r"rgba?\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)")


@dataclass(frozen=True, slots=True)
class Choices:
    """The controls of the page.

    Attributes:
        background: a name of the gallery, "Blur", "Colour" or "Yours".
        blur: strength, above 0 and up to 1.
        colour: "#rrggbb".
        steady: 0 to 1.
        edges: refine edges.
        speed: one of SPEEDS.
        matte: show the matte and not the composite.
    """

    background: str = "Blur"
    blur: float = 0.5
    colour: str = "#00b140"
    steady: float = 0.5
    edges: bool = True
    speed: str = "auto"
    matte: bool = False

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Choices:
        """From what the page sent, by the names of NAMES; what is missing is the default.

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
        )
        if choices.background not in (*GALLERY, "Blur", "Colour", YOURS):
            raise OptionError(f"background {choices.background[:40]!r}: not one of this page")
        if choices.speed not in SPEEDS:
            raise OptionError(f"speed {choices.speed[:40]!r}: expected {', '.join(SPEEDS)}")
        return choices

    def backdrop(self, uploaded: Path | None) -> str:
        """The background in the words of ``--bg``.

        Args:
            uploaded: the visitor's own.

        Raises:
            InputError: "Yours" is chosen and there is none.
        """
        if self.matte:
            return "matte"
        if self.background == "Blur":
            return f"blur:{self.blur:g}"
        if self.background == "Colour":
            return self.colour
        if self.background == YOURS:
            if uploaded is None:
                raise InputError("No background of yours yet: upload a picture or a video first")
            return str(uploaded)
        return str(GALLERY[self.background])


def _number(values: Mapping[str, Any], name: str, default: float, least: float) -> float:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise OptionError(f"{name}: expected a number from 0 to 1")
    return min(1.0, max(least, float(value)))


def _colour(text: str) -> str:
    """Browsers' colour pickers say #rrggbb or rgba(r, g, b, a)."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return text.lower()
    match = _RGB.match(text)
    if match is None:
        raise OptionError(f"colour {text[:40]!r}: expected #rrggbb")
    return "#" + "".join(f"{min(255, round(float(part))):02x}" for part in match.groups())
