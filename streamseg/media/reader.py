"""Old path of streamseg.media.reading.reader, for one release."""

from __future__ import annotations

from streamseg.deprecation import renamed

__getattr__ = renamed(
    __name__,
    {
        "VideoInfo": "streamseg.media.reading.reader:VideoInfo",
        "VideoReader": "streamseg.media.reading.reader:VideoReader",
    },
)
