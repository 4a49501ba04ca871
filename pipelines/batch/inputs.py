"""What a batch reads, and what each output is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from streamseg.errors import InputError, OptionError

from .transfer import find_urls, is_url

__all__ = ["VIDEO_SUFFIXES", "Source", "find_sources", "output_name", "read_list"]

#: Suffixes of the files that are taken from folders, in lower case.
VIDEO_SUFFIXES = frozenset(
    {".3g2", ".3gp", ".asf", ".avi", ".dv", ".flv", ".gxf", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"}
    | {".mpg", ".mts", ".mxf", ".nut", ".ogv", ".rm", ".ts", ".vob", ".webm", ".wmv", ".y4m"}
)
_WILD = "*?["


class Source(NamedTuple):
    """An input.

    Attributes:
        name: path or URL.
        folder: below the folder or the fixed part of the pattern that it was found by; "" for none.
    """

    name: str
    folder: str = ""


def find_sources(inputs: Iterable[str], output: str) -> list[Source]:
    """The inputs that files, folders, patterns and URLs stand for, in order, each once.

    Files of a folder are found by their suffix, at any depth. Hidden ones, and those in the output folder, are left out
    unless they are named.

    Raises:
        OptionError: a folder without videos, or a pattern that no file matches.
    """
    own = None if is_url(output) else Path(output).absolute()
    found: dict[Source, None] = {}
    for each in inputs:
        sources = _expanded(each)
        found |= dict.fromkeys(source for source in sources if source.name == each or not _is_below(source.name, own))
    return list(found)


def _expanded(name: str) -> Iterator[Source]:
    if is_url(name):
        yield from (Source(*each) for each in find_urls(name))
    elif Path(name).is_dir():
        yield from _some(name, _in_folder(Path(name)), "has no video in it")
    elif any(letter in name for letter in _WILD) and not Path(name).exists():
        yield from _some(name, _matching(name), "matches no file")
    else:
        yield Source(name)


def _some(name: str, sources: Iterable[Source], otherwise: str) -> list[Source]:
    found = list(sources)
    if not found:
        raise OptionError(f"{name}: {otherwise}")
    return found


def _in_folder(folder: Path) -> Iterator[Source]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        below = Path(place).relative_to(folder).as_posix()
        for name in sorted(files):
            if Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith("."):
                yield Source(str(Path(place, name)), "" if below == "." else below)


def _matching(pattern: str) -> Iterator[Source]:
    parts = PurePath(pattern).parts
    fixed = next(index for index, part in enumerate(parts) if any(letter in part for letter in _WILD))
    base = Path(*parts[:fixed])
    for path in sorted(base.glob(str(PurePath(*parts[fixed:])))):
        if path.is_file():
            below = path.parent.relative_to(base).as_posix()
            yield Source(str(path), "" if below == "." else below)


def _is_below(name: str, folder: Path | None) -> bool:
    return folder is not None and not is_url(name) and Path(name).absolute().is_relative_to(folder)


def read_list(name: str) -> list[str]:
    """The lines of a list of inputs, without empty ones and those that begin with #; "-" is standard input.

    Raises:
        InputError: the file cannot be read, or is no text in UTF-8.
    """
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"--list {name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def output_name(source: Source, pattern: str) -> str:
    """The output's path below the output folder.

    Args:
        pattern: a name with {stem}, {name}, {suffix} or {folder} in it: of ``a/b.mp4`` these are b, b.mp4, mp4 and the
            name of the folder, a. A slash at its end is a folder of images.

    Raises:
        OptionError: something else in braces, or a name that leads out of the output folder.
    """
    path = _pure(source.name)
    words = {"stem": path.stem, "name": path.name, "suffix": path.suffix[1:], "folder": path.parent.name}
    try:
        name = pattern.format(**words)
    except (KeyError, IndexError, ValueError, AttributeError):
        known = ", ".join(f"{{{word}}}" for word in words)
        raise OptionError(f"--name {pattern}: expected a name with any of {known} in it") from None
    below = PurePosixPath(source.folder, name)
    if below.is_absolute() or ".." in below.parts or not below.name:
        raise OptionError(f"--name {pattern}: {below} is not below the output folder")
    return f"{below}/" if name.endswith("/") else str(below)


def _pure(name: str) -> PurePath:
    return PurePosixPath(name.partition("://")[2]) if is_url(name) else PurePath(Path(name).absolute())
