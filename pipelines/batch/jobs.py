"""Job lists: options for single files, in CSV or JSON Lines."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from streamseg.errors import InputError, OptionError

from ..command.options import add_video_options

__all__ = ["FileJob", "JobRow", "read_jobs", "video_defaults"]

_OWN = ("source", "output")
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class FileJob:
    """One file to be processed.

    Attributes:
        source: path or URL.
        folder: the output folder, a path or URL.
        name: of the output, below that folder; with a slash at its end it is a folder of images.
        options: of ``streamseg video``, by the names that argparse gives them.
    """

    source: str
    folder: str
    name: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobRow:
    """One line of a job list: a source, its output below the output folder if that is named, and its own options."""

    source: str
    output: str | None
    options: dict[str, Any]


class _Parser(argparse.ArgumentParser):
    """Raises OptionError instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    add_video_options(parser)
    return parser


def video_defaults() -> dict[str, Any]:
    """The options of ``streamseg video`` with their defaults."""
    return vars(_parser().parse_args([]))


def read_jobs(name: str) -> list[JobRow]:
    """Read a job list: JSON Lines (.jsonl, .ndjson), else CSV with a header. See docs/batch.md.

    Raises:
        InputError: it cannot be read.
        OptionError: unknown keys, values that an option does not take, a line without a source; names the line.
    """
    try:
        text = Path(name).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"--jobs {name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    rows = _json_lines if Path(name).suffix.lower() in (".jsonl", ".ndjson") else _csv_rows
    parser, found = _parser(), []
    for line, values in rows(name, text):
        try:
            found.append(_row(parser, values))
        except OptionError as error:
            raise OptionError(f"{name}, line {line}: {error}") from None
    return found


def _json_lines(name: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise OptionError(f"{name}, line {number}: is no JSON ({error})") from None
        if not isinstance(value, dict):
            raise OptionError(f'{name}, line {number}: expected an object such as {{"source": "a.mp4", "crf": 20}}')
        yield number, {key: each for key, each in value.items() if each is not None}


def _csv_rows(name: str, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Empty cells say nothing."""
    reader = csv.DictReader(text.splitlines())
    if "source" not in (reader.fieldnames or ()):
        raise OptionError(f"{name}, line 1: expected the names of the columns, one of which is source")
    for row in reader:
        if None in row:
            raise OptionError(f"{name}, line {reader.line_num}: has more cells than line 1 has names")
        yield reader.line_num, {key: value for key, value in row.items() if value}


def _row(parser: argparse.ArgumentParser, values: dict[str, Any]) -> JobRow:
    if not isinstance(values.get("source"), str):
        raise OptionError("has no source")
    words: list[str] = []
    known = {action.option_strings[0].removeprefix("--"): action for action in parser._actions}
    for key, value in values.items():
        if key in _OWN:
            continue
        action = known.get(key.replace("_", "-"))
        if action is None:
            raise OptionError(f"unknown option {key!r}; expected source, output, {', '.join(sorted(known))}")
        if action.nargs == 0:
            words += [action.option_strings[0]] * _is_on(key, value)
        else:
            words.append(f"{action.option_strings[0]}={value}")
    given = vars(parser.parse_args(words, argparse.Namespace(**dict.fromkeys(_dests(parser), _ABSENT))))
    named = {known[key.replace("_", "-")].dest for key in values if key not in _OWN}
    own = {dest: False if given[dest] is _ABSENT else given[dest] for dest in named}
    output = values.get("output")
    return JobRow(values["source"], None if output is None else str(output), own)


_ABSENT = object()


def _dests(parser: argparse.ArgumentParser) -> list[str]:
    return [action.dest for action in parser._actions]


def _is_on(key: str, value: Any) -> bool:
    text = str(value).lower()
    if text not in _YES + _NO:
        raise OptionError(f"{key} is {value!r}: expected yes or no")
    return text in _YES
