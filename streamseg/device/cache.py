"""The user's cache folder, for what can be made again: compiled networks, measured choices."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["VARIABLE", "cache_folder"]

#: Environment variable: another folder; empty for no cache.
VARIABLE = "STREAMSEG_CACHE"


def cache_folder(name: str) -> Path | None:
    """The folder ``name`` in the cache, existing and writable; None where there is none."""
    configured = os.environ.get(VARIABLE)
    if configured == "":
        return None
    try:
        folder = (Path(configured) if configured else _default_folder()) / name
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: a user without a home folder
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _default_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path("~/AppData/Local").expanduser())) / "streamseg" / "cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/streamseg").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "streamseg"
