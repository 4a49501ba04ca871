"""What a process that takes files from strangers may open: plain files, of few formats, of limited size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Restriction", "restricted_inputs", "restriction"]

# Containers and images that refer to no other files. Playlists (HLS, DASH, concat, SDP, IMF, …) are none of these.
_FORMATS = "mov,matroska,avi,mpegts,gif,apng,png_pipe,jpeg_pipe,webp_pipe"


@dataclass(frozen=True, slots=True)
class Restriction:
    """Limits for every input that is opened.

    Attributes:
        max_pixels: of a frame, at most; larger ones are not decoded.
    """

    max_pixels: int

    @property
    def options(self) -> dict[str, str]:
        """FFmpeg's options for opening a file, and for the decoders that look into it meanwhile."""
        return {"protocol_whitelist": "file", "format_whitelist": _FORMATS, **self.decoder_options}

    @property
    def decoder_options(self) -> dict[str, str]:
        """FFmpeg's options for a decoder."""
        return {"max_pixels": str(self.max_pixels)}


_current: list[Restriction] = []


def restriction() -> Restriction | None:
    """What holds now; None if everything may be opened."""
    return _current[-1] if _current else None


@contextmanager
def restricted_inputs(max_pixels: int) -> Iterator[None]:
    """Meanwhile the whole process opens plain files only: no addresses, no files that refer to others.

    For servers: nothing that a stranger sends can make FFmpeg read another file or an address.
    """
    _current.append(Restriction(max_pixels))
    try:
        yield
    finally:
        _current.pop()
