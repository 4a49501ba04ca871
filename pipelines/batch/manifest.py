"""What has been made of which source with which options: one small JSON file for each output.

They are in the folder ``.streamseg`` of the output folder, under the names of the outputs: each is written by the one
worker that writes the output, so that any number of machines can work into one folder, and 10,000 outputs do not write
one list of 10,000 entries 10,000 times.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from streamseg import __version__

from .transfer import exists, fingerprint, is_url, joined, read_text, write_text

__all__ = ["FOLDER", "Entry", "described", "options_hash", "read_entry", "source_hash", "write_entry"]

#: The folder of all that a batch notes and leaves to go on from, in the output folder.
FOLDER = ".streamseg"
_FORMAT = 1
# They say how the work is done, not what comes out.
_WITHOUT_EFFECT = ("threads", "overwrite", "hwaccel")
# Their values may be files, whose content counts.
_FILES = ("bg", "weights")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of an output.

    Attributes:
        status: "started", "done" or "failed"; one of the latter two if the output is what this entry describes.
        source: hash of the source, see fingerprint.
        options: hash of the options and of the version of streamseg.
        output: size of the output in bytes; None for folders and before it is there.
        replaced: fingerprint of what had the output's name when the work was started; None for nothing.
        frames, seconds: of the work.
        reason: why it failed.
        about: for people who read it: source, options and version.
    """

    status: str
    source: str
    options: str
    output: int | None = None
    replaced: dict[str, Any] | None = None
    frames: int = 0
    seconds: float = 0.0
    reason: str = ""
    about: dict[str, Any] = field(default_factory=dict)


def _hash(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


def source_hash(name: str) -> str:
    """Of a source as it is now. Raises InputError if it cannot be read."""
    return _hash(fingerprint(name))


def options_hash(options: dict[str, Any]) -> str:
    """Of all that decides what comes out: the options with an effect, the files that they name, the version."""
    counted = {name: value for name, value in options.items() if name not in _WITHOUT_EFFECT}
    for name in _FILES:
        value = counted.get(name)
        if value is not None and not is_url(str(value)) and Path(value).is_file():
            counted[name] = fingerprint(str(value))
    return _hash([counted, __version__, _FORMAT])


def described(name: str) -> dict[str, Any] | None:
    """The fingerprint of a file that may be there: of folders, and where there is none, None."""
    is_folder = name.endswith("/") or (not is_url(name) and Path(name).is_dir())
    return None if is_folder or not exists(name) else fingerprint(name)


def _path(folder: str, name: str) -> str:
    return joined(folder, f"{FOLDER}/{name.rstrip('/')}.json")


def read_entry(folder: str, name: str) -> Entry | None:
    """What is noted of an output; None for nothing, or something else.

    Args:
        folder: the output folder.
        name: of the output, below it.
    """
    text = read_text(_path(folder, name))
    try:
        return None if text is None else Entry(**json.loads(text))
    except (ValueError, TypeError):
        return None


def write_entry(folder: str, name: str, entry: Entry) -> None:
    """Note what is known of an output. Raises OutputError."""
    write_text(_path(folder, name), json.dumps(asdict(entry), indent=1) + "\n")
