"""The backgrounds that come with the demo, and their thumbnails."""

from __future__ import annotations

import base64
from importlib.resources import files
from pathlib import Path

from streamseg.frame import Frame
from streamseg.media.images import encode_image, image_frame, is_image, read_image
from streamseg.media.pixels.native import native_of
from streamseg.media.pixels.scale import RGBScaler, to_jpeg
from streamseg.media.reading.reader import VideoReader

__all__ = ["GALLERY", "SAMPLE_CLIP", "thumbnail"]

_SAMPLES = Path(str(files("streamseg.samples")))

#: Name on the page → file.
GALLERY = {
    "Beach": _SAMPLES / "beach.jpg",
    "Lights": _SAMPLES / "lights.mp4",
    "Studio": _SAMPLES / "studio.jpg",
}
SAMPLE_CLIP = _SAMPLES / "clip.mp4"
_THUMBNAIL_SCALER = RGBScaler(160, 90)


def thumbnail(path: Path) -> str:
    """An image or the first frame of a video, as a JPEG of 160×90 pixels in a data: URL."""
    small = image_frame(_THUMBNAIL_SCALER(_first_frame(path)))
    data = encode_image(to_jpeg(native_of(small)), ".jpg")
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _first_frame(path: Path) -> Frame:
    if is_image(str(path)):
        return read_image(str(path))
    with VideoReader(str(path)) as reader:
        return next(item for item in reader if isinstance(item, Frame))
