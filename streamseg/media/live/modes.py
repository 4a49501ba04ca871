"""What a camera offers, and which of it is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["COMPRESSED", "CameraMode", "CameraRequest", "choose_mode", "parse_avfoundation", "parse_dshow"]

# Requested from a camera where the user requests nothing.
_DEFAULT_SIZE, _DEFAULT_FPS = (1280, 720), 30.0
# 29.97 is as good as 30.
_SAME_RATE = 0.995
#: Decoding JPEG takes time and leaves blocks; the others refer to earlier frames too.
COMPRESSED = ("mjpeg", "h264", "hevc")
# From the best, at equal size and rate; "" is what the system decides.
_ORDER = ("nv12", "yuv420p", "yuyv422", "uyvy422", "yuv422p", "", "rgb24", "bgr24", *COMPRESSED)
_DSHOW_MODE = re.compile(
    r"(?:pixel_format|vcodec)=(?P<format>\w+)\s+min s=\d+x\d+ fps=(?P<low>[\d.]+) "
    r"max s=(?P<width>\d+)x(?P<height>\d+) fps=(?P<high>[\d.]+)"
)
_AVFOUNDATION_MODE = re.compile(r"(?P<width>\d+)x(?P<height>\d+)@\[(?P<low>[\d.]+) (?P<high>[\d.]+)\]fps")


@dataclass(frozen=True, slots=True)
class CameraRequest:
    """Size and frame rate to request from a camera, which may give others.

    Attributes:
        width, height: pixels; None for 1280 and 720, or in proportion to the other one.
        fps: frames per second; None for 30.
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width or _DEFAULT_SIZE[0], self.height or _DEFAULT_SIZE[1]

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.fps or _DEFAULT_FPS


@dataclass(frozen=True, slots=True)
class CameraMode:
    """One format of a camera at one size.

    Attributes:
        width, height: pixels.
        pixel_format: FFmpeg's name of the pixel format, or of the codec (mjpeg, h264); "" where the system decides.
        fps: frames per second at this size, the highest first.
        is_range: whether every rate between the highest and the lowest is possible.
    """

    width: int
    height: int
    pixel_format: str
    fps: tuple[float, ...]
    is_range: bool = False

    def rate_for(self, wanted: float) -> float:
        """The lowest of its rates that reaches ``wanted``, else the highest; ``wanted`` where none is known."""
        if not self.fps:
            return wanted
        if self.is_range:
            return min(max(wanted, self.fps[-1]), self.fps[0])
        return min((rate for rate in self.fps if rate >= wanted * _SAME_RATE), default=self.fps[0])


def choose_mode(modes: Iterable[CameraMode], wanted: CameraRequest) -> CameraMode | None:
    """The mode to open; None where none of them can be opened.

    The frame rate comes first, then the size: at equal rate and size raw frames are better than compressed ones. A size
    that the user has named, with no frame rate, comes before the rate.
    """

    def rank(mode: CameraMode) -> tuple[float, ...]:
        missing = max(0.0, 1 - mode.rate_for(wanted.rate) / (wanted.rate * _SAME_RATE))
        width, height = wanted.size
        distance = abs(mode.width - width) / width + abs(mode.height - height) / height
        size_first = wanted.fps is None and (wanted.width is not None or wanted.height is not None)
        first = (distance, missing) if size_first else (missing, distance)
        return *first, mode.rate_for(wanted.rate), _ORDER.index(mode.pixel_format)

    return min((mode for mode in modes if mode.pixel_format in _ORDER), key=rank, default=None)


def parse_dshow(log: str) -> list[CameraMode]:
    """The modes that FFmpeg's DirectShow device prints with the option list_options."""
    return _parsed(_DSHOW_MODE.finditer(log))


def parse_avfoundation(log: str) -> list[CameraMode]:
    """The modes that FFmpeg's AVFoundation device prints when it is asked for a size that there is not."""
    return _parsed(_AVFOUNDATION_MODE.finditer(log))


def _parsed(matches: Iterator[re.Match[str]]) -> list[CameraMode]:
    modes = []
    for match in matches:
        found = match.groupdict()
        high, low = float(found["high"]), float(found["low"])
        rates = (high,) if high == low else (high, low)
        size = int(found["width"]), int(found["height"])
        modes.append(CameraMode(*size, found.get("format") or "", rates, is_range=len(rates) > 1))
    return list(dict.fromkeys(modes))
