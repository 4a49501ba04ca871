"""Where OpenVINO keeps the packaged network compiled, so that the next process starts sooner."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["VARIABLE", "cache_folder"]

VARIABLE = "STREAMSEG_CACHE"
"""Environment variable: another folder, or nothing for no cache."""


def cache_folder(openvino_version: str) -> Path | None:
    """A folder that exists and can be written to, one for each version of OpenVINO; None where there is none."""
    chosen = os.environ.get(VARIABLE)
    if chosen == "":
        return None
    folder = (Path(chosen) if chosen else _users_folder()) / f"openvino-{openvino_version.split('-')[0]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def _users_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path("~/AppData/Local").expanduser())) / "streamseg" / "cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/streamseg").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "streamseg"
