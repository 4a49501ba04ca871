"""Where WebRTC finds no way: single JPEG pictures, one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import av
from av.video.reformatter import ColorRange

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.media.clock import LIVE_TIME_BASE
from streamseg.media.native import native_of, wrap
from streamseg.media.pictures import encode_picture

from .choices import Choices
from .studio import Take

__all__ = ["StillLine"]

_MOST_BYTES, _MOST_PIXELS = 1_000_000, 1920 * 1080
_WAIT_S = 2.0


class StillLine:
    """A take for a page that sends pictures one by one and waits for each; one call at a time."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._values: Mapping[str, Any] | None = None

    def step(self, jpeg: bytes, values: Mapping[str, Any], uploaded: Any) -> bytes | None:
        """The newest composite as JPEG, None where there is none yet.

        Args:
            jpeg: a picture of the camera.
            values: what is chosen on the page.
            uploaded: the visitor's own background.

        Raises:
            StreamsegError: the picture or the choices cannot be used.
        """
        frame = _decoded(jpeg, self._take.clock.pts())
        if values != self._values:
            self._values = values
            self._take.change(Choices.read(values), uploaded)
        self._take.line.put(frame)
        shown = self._take.get(_WAIT_S)
        return _encoded(shown.frame) if shown else None

    def close(self) -> None:
        """End the take."""
        self._take.close()


def _decoded(jpeg: bytes, pts: int) -> Frame:
    if len(jpeg) > _MOST_BYTES:
        raise InputError("a picture of the camera is too large: expected JPEG of up to 1 MB")
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"max_pixels": str(_MOST_PIXELS)}
    try:
        native = decoder.decode(av.Packet(jpeg))[0]
    except (av.error.FFmpegError, IndexError) as error:
        raise InputError("a picture of the camera cannot be read: expected JPEG of up to 1920×1080") from error
    return wrap(native, pts, LIVE_TIME_BASE, sample_aspect_ratio=Fraction(1))


def _encoded(frame: Frame) -> bytes:
    full = ColorRange.JPEG
    source = full if frame.colour.full_range else ColorRange.MPEG
    native = native_of(frame).reformat(format="yuvj420p", src_color_range=source, dst_color_range=full)
    return encode_picture(native, ".jpg", {"qscale": "4"})
