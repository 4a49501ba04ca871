"""The options that choose the subject, and what they mean."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from functools import partial

from streamseg.matting.choosing.choice import Mark, SubjectBox, SubjectChoice, SubjectPoint

__all__ = ["KINDS", "add_choice", "choice_of"]

#: What --subject takes beside points; the values of streamseg.device.protocol.SUBJECTS.
KINDS = ("auto", "person", "any")
_NUMBER = re.compile(r"\d+|\d*\.\d+|\d+\.")


def add_choice(parser: argparse.ArgumentParser, seconds: Callable[[str], float]) -> None:
    """Add the options; ``seconds`` parses a time.

    ``choice_of`` finds in the parsed arguments what they say.
    """
    parser.add_argument(
        "--subject",
        action="append",
        type=partial(_subject, seconds=seconds),
        metavar="WHAT",
        help="any: what stands out; person: people; auto: what stands out, and near people; or X,Y or X,Y@T: what is "
        "at that point (fractions such as 0.5,0.4, or pixels) at that time; may be repeated; default: auto",
    )
    parser.add_argument(
        "--subject-box",
        action="append",
        type=partial(_box, seconds=seconds),
        default=[],
        metavar="X,Y,W,H[@T]",
        help="what is in that box; may be repeated",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        type=partial(_point, seconds=seconds, keep=False),
        default=[],
        metavar="X,Y[@T]",
        help="not what is at that point; may be repeated",
    )
    parser.add_argument(
        "--subjects",
        type=_count,
        metavar="all|largest|N",
        help="how many separate subjects stay, the largest ones; default: all",
    )


def choice_of(arguments: argparse.Namespace) -> SubjectChoice:
    """What the options say.

    Raises:
        OptionError: they contradict each other.
    """
    given = arguments.subject or []
    kinds = [each for each in given if isinstance(each, str)]
    marks = [each for each in given if not isinstance(each, str)]
    marks += [*arguments.subject_box, *arguments.exclude]
    return SubjectChoice(kinds[-1] if kinds else "auto", tuple(marks), arguments.subjects)


def _subject(text: str, seconds: Callable[[str], float]) -> str | Mark:
    if text in KINDS:
        return text
    if "," not in text:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {', '.join(KINDS)}, or X,Y or X,Y@T")
    return _point(text, seconds)


def _point(text: str, seconds: Callable[[str], float], keep: bool = True) -> SubjectPoint:
    (x, y), time = _numbers(text, 2, seconds)
    return SubjectPoint(x, y, time, keep)


def _box(text: str, seconds: Callable[[str], float]) -> SubjectBox:
    (x, y, width, height), time = _numbers(text, 4, seconds)
    return SubjectBox(x, y, width, height, time)


def _numbers(text: str, count: int, seconds: Callable[[str], float]) -> tuple[list[float], float | None]:
    """Fractions as floats, pixels as whole numbers."""
    place, at, time = text.partition("@")
    parts = place.split(",")
    form = "X,Y" if count == 2 else "X,Y,W,H"
    if len(parts) != count or not all(_NUMBER.fullmatch(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: expected {form} or {form}@T")
    fractions = ["." in part for part in parts]
    if any(fractions) != all(fractions) or any(float(part) > 1 for part in parts if "." in part):
        wanted = "fractions from 0.0 to 1.0, or all pixels without a point"
        raise argparse.ArgumentTypeError(f"{text!r}: expected all {wanted}")
    return [float(part) if "." in part else int(part) for part in parts], seconds(time) if at else None


def _count(text: str) -> int | None:
    if text in ("all", "largest"):
        return None if text == "all" else 1
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected all, largest or a number of 1 or more")
    return int(text)
