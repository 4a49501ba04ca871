"""The folder in which OpenVINO caches the compiled network, so that the next process starts sooner."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["VARIABLE", "cache_folder"]

#: Environment variable: another folder; empty for no cache.
VARIABLE = "STREAMSEG_CACHE"


def cache_folder(openvino_version: str) -> Path | None:
    """An existing, writable folder, one for each version of OpenVINO; None where there is none."""
    configured = os.environ.get(VARIABLE)
    if configured == "":
        return None
    folder = (Path(configured) if configured else _default_folder()) / f"openvino-{openvino_version.split('-')[0]}"
    try:
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
