"""What visitors send: taken by what it is, not by what it is called."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image

from streamseg.errors import InputError
from streamseg.media.pictures import read_picture
from streamseg.media.reader import VideoReader

__all__ = ["MAX_PIXELS", "check_clip", "check_video", "take_background", "take_clip"]

MAX_PIXELS = 4096 * 2304
_HEAD = 512


def take_clip(upload: str, folder: Path) -> Path:
    """A video of the visitor's, copied into ``folder``.

    Raises:
        InputError: it is no video file, does not decode, or has too many pixels.
    """
    check_clip(upload)
    return _copy(upload, folder / f"clip{_suffix(upload)}")


def check_clip(upload: str) -> None:
    """Raises InputError as take_clip does, and copies nothing."""
    if _suffix(upload) in _PICTURES:
        raise InputError("That is a picture: expected a video (.mp4, .mov, .mkv, .webm, .avi, .ts)")
    check_video(Path(upload))


def take_background(upload: str, folder: Path) -> Path:
    """A picture or video to stand behind, copied into ``folder``; errors as for take_clip."""
    suffix = _suffix(upload)
    background = _copy(upload, folder / f"background{suffix}")
    if suffix in _PICTURES:
        _check_picture(background)
    else:
        check_video(background)
    return background


def check_video(path: Path) -> None:
    """Raises InputError unless its first picture decodes and is not too large."""
    try:
        with VideoReader(str(path)) as reader:
            shape = reader.info.shape
    except InputError as error:
        raise InputError(str(error).replace(str(path), "This file")) from error
    _check_size(shape.width, shape.height)


def _check_picture(path: Path) -> None:
    try:
        with Image.open(path) as header:  # a small file may unpack to a huge picture: look before decoding
            _check_size(*header.size)
    except (OSError, Image.DecompressionBombError) as error:
        raise InputError("This file holds no picture that decodes") from error
    read_picture(str(path))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"{width}×{height} pixels are too many here: expected up to 4096×2304")


_PICTURES = (".jpg", ".png", ".webp")


def _suffix(upload: str) -> str:
    """By the first bytes. Playlists and the like, which would make FFmpeg open other files, are none of these."""
    with Path(upload).open("rb") as file:
        head = file.read(_HEAD)
    if head[:3] == b"\xff\xd8\xff":
        return ".jpg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return ".png"
    if head[:4] == b"RIFF":
        return {b"WEBP": ".webp", b"AVI ": ".avi"}.get(head[8:12]) or _refuse()
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return ".mp4"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return ".mkv"
    if head[:1] == b"\x47" and head[188:189] == b"\x47":
        return ".ts"
    return _refuse()


def _refuse() -> str:
    raise InputError(
        "This file is neither a video (.mp4, .mov, .mkv, .webm, .avi, .ts) nor a picture (.jpg, .png, .webp)"
    )


def _copy(upload: str, to: Path) -> Path:
    to.unlink(missing_ok=True)
    shutil.copyfile(upload, to)
    return to
