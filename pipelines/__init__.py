"""Pipelines and the command line.

    video.py, image.py   a file in, a file out
    live.py              live frames in, composites out
    webcam/              a camera into a window, a virtual camera or a recording
    serve/               a service over HTTP: pictures, clips, live frames
    segmenter.py         a frame in, its matte out
    cli.py, command/     the command ``streamseg``
    stages/              what the pipelines are made of
    bench/, evaluate/    speed and quality, measured

From Python: ``from streamseg.pipelines import Segmenter, VideoJob, process_image, process_video``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .image import process_image
    from .segmenter import Segmenter
    from .summary import Summary
    from .video import VideoJob, process_video

__all__ = ["Segmenter", "Summary", "VideoJob", "process_image", "process_video"]

# Imported on first use: the command answers --help without loading FFmpeg or NumPy.
_HOMES = {
    "Segmenter": ".segmenter",
    "Summary": ".summary",
    "VideoJob": ".video",
    "process_image": ".image",
    "process_video": ".video",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
