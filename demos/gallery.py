"""The backgrounds that come with the demo, and their small pictures for the page."""

from __future__ import annotations

import base64
from importlib.resources import files
from pathlib import Path

from streamseg.frame import Frame
from streamseg.media.native import native_of
from streamseg.media.pictures import PICTURE_SUFFIXES, encode_picture, picture_of, read_picture
from streamseg.media.reader import VideoReader
from streamseg.media.scale import RGBScaler, to_jpeg

__all__ = ["GALLERY", "SAMPLE_CLIP", "thumbnail"]

_SAMPLES = Path(str(files("streamseg.samples")))

#: Name on the page → file.
GALLERY = {
    "Beach": _SAMPLES / "beach.jpg",
    "Lights": _SAMPLES / "lights.mp4",
    "Studio": _SAMPLES / "studio.jpg",
}
SAMPLE_CLIP = _SAMPLES / "clip.mp4"
_SMALL = RGBScaler(160, 90)


def thumbnail(path: Path) -> str:
    """The first picture of an image or video, 160×90, as a data: URL."""
    data = encode_picture(to_jpeg(native_of(picture_of(_SMALL(_first(path))))), ".jpg")
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _first(path: Path) -> Frame:
    if path.suffix in PICTURE_SUFFIXES:
        return read_picture(str(path))
    with VideoReader(str(path)) as reader:
        return next(item for item in reader if isinstance(item, Frame))
