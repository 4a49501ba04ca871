"""Live frames where WebRTC finds no connection: single JPEGs, one request at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from av.video.reformatter import ColorRange

from streamseg.frame import Frame
from streamseg.media.images import encode_image
from streamseg.media.live.stills import decode_still
from streamseg.media.pixels.native import native_of

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
        frame = decode_still(jpeg, self._session.clock.pts(), _MAX_PIXELS, _MAX_BYTES)
        if values != self._values:
            self._values = values
            self._session.change(Choices.parse(values), uploaded)
        self._session.pipeline.put(frame)
        composite = self._session.get(_TIMEOUT_S)
        return _encode(composite.frame) if composite else None

    def close(self) -> None:
        """Close the session."""
        self._session.close()


def _encode(frame: Frame) -> bytes:
    full = ColorRange.JPEG
    source = full if frame.colour.full_range else ColorRange.MPEG
    native = native_of(frame).reformat(format="yuvj420p", src_color_range=source, dst_color_range=full)
    return encode_image(native, ".jpg", {"qscale": "4"})
