"""Live frames where WebRTC finds no connection: single JPEGs, one request at a time."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import ColorRange

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.media.images import encode_image
from streamseg.media.live.clock import LIVE_TIME_BASE
from streamseg.media.pixels.native import native_of, wrap

from ..choices import Choices
from .session import LiveSession

__all__ = ["StillFallback"]

_MAX_BYTES, _MAX_PIXELS = 1_000_000, 1920 * 1080
_TIMEOUT_S = 2.0


class StillFallback:
    """A live session for a page that sends images one by one and waits for each composite; one call at a time.

    Args:
        session: closed with the fallback.
    """

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._values: Mapping[str, Any] | None = None

    def composite(self, jpeg: bytes, values: Mapping[str, Any], uploaded: Path | None) -> bytes | None:
        """The newest composite as JPEG; None if there is none within two seconds.

        Args:
            jpeg: a frame of the camera.
            values: of the controls, see Choices.parse.
            uploaded: the visitor's own background.

        Raises:
            StreamsegError: the frame or the choices cannot be used.
        """
        frame = _decode(jpeg, self._session.clock.pts())
        if values != self._values:
            self._values = values
            self._session.change(Choices.parse(values), uploaded)
        self._session.pipeline.put(frame)
        composite = self._session.get(_TIMEOUT_S)
        return _encode(composite.frame) if composite else None

    def close(self) -> None:
        """Close the session."""
        self._session.close()


def _decode(jpeg: bytes, pts: int) -> Frame:
    if len(jpeg) > _MAX_BYTES:
        raise InputError("A frame of the camera is too large: expected JPEG of up to 1 MB")
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"max_pixels": str(_MAX_PIXELS)}
    try:
        native = decoder.decode(av.Packet(jpeg))[0]
    except (av.error.FFmpegError, IndexError) as error:
        raise InputError("A frame of the camera does not decode: expected JPEG of up to 1920×1080") from error
    return wrap(native, pts, LIVE_TIME_BASE, sample_aspect_ratio=Fraction(1))


def _encode(frame: Frame) -> bytes:
    full = ColorRange.JPEG
    source = full if frame.colour.full_range else ColorRange.MPEG
    native = native_of(frame).reformat(format="yuvj420p", src_color_range=source, dst_color_range=full)
    return encode_image(native, ".jpg", {"qscale": "4"})
