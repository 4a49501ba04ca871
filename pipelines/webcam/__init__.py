"""A camera, live, into a window, a virtual camera and a recording: ``streamseg webcam``.

    job.py         WebcamJob: from the camera to all outputs
    controls.py    the keys of the window and the text over its image
    view.py        the window
    outputs.py     what takes frames at its own speed; the virtual camera
    recorder.py    the recording: frames and sound
    sound.py       the microphone
    settings.py    the settings, and the file that keeps them
    toml_file.py   TOML in and out

From Python: ``from streamseg.pipelines.webcam import WebcamJob``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .job import WebcamJob, WebcamSummary
    from .settings import WebcamSettings

__all__ = ["WebcamJob", "WebcamSettings", "WebcamSummary"]

# Imported on first use, see streamseg.pipelines.
_HOMES = {"WebcamJob": ".job", "WebcamSettings": ".settings", "WebcamSummary": ".job"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
