"""Uploaded files: recognised by their content, not by their name."""

from __future__ import annotations

import shutil
from pathlib import Path

from streamseg.errors import InputError, MissingDependency
from streamseg.media.content import content_of, image_size
from streamseg.media.images import read_image
from streamseg.media.reading.reader import VideoReader

__all__ = ["MAX_PIXELS", "check_clip", "check_video", "store_background", "store_clip"]

#: Pixels of a frame or an image, at most.
MAX_PIXELS = 4096 * 2304
_IMAGE_SUFFIXES = (".jpg", ".png", ".webp", ".avif")


def store_clip(upload: str, folder: Path) -> Path:
    """Copy an uploaded video into ``folder``.

    Raises:
        InputError: it is no video file, does not decode, or has too many pixels.
    """
    check_clip(upload)
    return _copy(upload, folder / f"clip{_suffix(upload)}")


def check_clip(upload: str) -> None:
    """Raise InputError as store_clip does; copies nothing."""
    if _suffix(upload) in _IMAGE_SUFFIXES:
        raise InputError("This is an image: expected a video (.mp4, .mov, .mkv, .webm, .avi, .ts)")
    check_video(Path(upload))


def store_background(upload: str, folder: Path) -> Path:
    """Copy an uploaded background, image or video, into ``folder``; errors as for store_clip."""
    suffix = _suffix(upload)
    background = _copy(upload, folder / f"background{suffix}")
    if suffix in _IMAGE_SUFFIXES:
        _check_image(background)
    else:
        check_video(background)
    return background


def check_video(path: Path) -> None:
    """Raise InputError unless the first frame decodes and is not too large."""
    try:
        with VideoReader(str(path)) as reader:
            shape = reader.info.shape
    except InputError as error:
        raise InputError(str(error).replace(str(path), "This file")) from error
    _check_size(shape.width, shape.height)


def _check_image(path: Path) -> None:
    try:
        _check_size(*image_size(path))  # a small file may decode to a huge image: check before decoding
    except InputError as error:
        raise InputError(str(error).replace(str(path), "This file")) from error
    try:
        read_image(str(path))
    except (InputError, MissingDependency) as error:
        raise InputError(str(error).replace(str(path), "This file")) from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"{width}×{height} pixels are too many here: expected up to 4096×2304")


def _suffix(upload: str) -> str:
    suffix = content_of(Path(upload))
    if suffix == ".heic":
        raise InputError("This is a HEIC image, which browsers do not show: save it as JPEG or PNG and upload that")
    return _refuse() if suffix is None or suffix == ".gif" else suffix


def _refuse() -> str:
    raise InputError(
        "This file is neither a video (.mp4, .mov, .mkv, .webm, .avi, .ts) nor an image (.jpg, .png, .webp, .avif)"
    )


def _copy(upload: str, to: Path) -> Path:
    to.unlink(missing_ok=True)
    shutil.copyfile(upload, to)
    return to
