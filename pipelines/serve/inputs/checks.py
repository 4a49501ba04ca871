"""Uploaded files: what they are, and whether they are too large. Before anything is decoded, where that is possible."""

from __future__ import annotations

from pathlib import Path

from streamseg.errors import InputError
from streamseg.media.content import CLIPS, IMAGES, content_of, image_size
from streamseg.media.reading.source import choose_video_stream, open_input

__all__ = ["check_background", "check_clip", "check_picture"]

_MICROSECONDS = 1_000_000


def check_picture(path: Path, max_pixels: int) -> None:
    """Raise InputError unless a file is an image of up to ``max_pixels``, by its header."""
    if content_of(path) not in IMAGES:
        raise InputError(f"{path}: expected an image ({' '.join(IMAGES)}, by content)")
    _check_size(path, *image_size(path), max_pixels)


def check_clip(path: Path, max_pixels: int, max_seconds: float | None = None) -> float | None:
    """How long a video says it is, in seconds; None if it does not say.

    Raises:
        InputError: it is none, has more than ``max_pixels`` a frame, or says it is longer than ``max_seconds``.
    """
    if content_of(path) not in CLIPS:
        raise InputError(f"{path}: expected a video ({' '.join(CLIPS)}, by content)")
    if content_of(path) in IMAGES:
        _check_size(path, *image_size(path), max_pixels)
    with open_input(str(path)) as container:
        video = choose_video_stream(container, str(path))
        _check_size(path, video.width, video.height, max_pixels)
        seconds = container.duration / _MICROSECONDS if container.duration else None
    if max_seconds is not None and seconds is not None and seconds > max_seconds:
        raise InputError(f"{path}: {seconds:.0f} s are too long: expected up to {max_seconds:g} s; cut the clip")
    return seconds


def check_background(path: Path, max_pixels: int) -> None:
    """Raise InputError unless a file is an image or a video of up to ``max_pixels`` a frame."""
    if content_of(path) in IMAGES:
        check_picture(path, max_pixels)
    else:
        check_clip(path, max_pixels)


def _check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise InputError(f"{path}: {width}×{height} pixels are too many: expected up to {max_pixels}; make it smaller")
