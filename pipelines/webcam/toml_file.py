"""Reading and writing TOML; imports nothing large, so that the command can read settings before other imports."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamseg.errors import InputError, OutputError

__all__ = ["read_toml", "write_toml"]


def read_toml(path: str) -> dict[str, Any]:
    """The contents of a TOML file. Raises InputError if it cannot be read or is not TOML."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not TOML ({error})") from error


def write_toml(path: str, entries: Mapping[str, Any]) -> None:
    """Write a TOML file, completely or not at all. Raises OutputError."""
    import tomli_w

    target = Path(path).resolve()  # of a link, the file that it leads to is written
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.write_text(tomli_w.dumps(entries), encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
