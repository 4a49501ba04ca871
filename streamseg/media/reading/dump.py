"""What FFmpeg knows of streams and PyAV does not pass on, from FFmpeg's own description of the file."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import av
from av.container import InputContainer
from av.stream import Stream

from streamseg.media.pixels.crop import Margins

__all__ = ["Declared", "codec_of", "declared_of", "ffmpeg_words", "sample_rate_of"]

_STREAM = re.compile(r"^ *Stream #0:(\d+)", re.MULTILINE)
_CODEC, _TAG, _RATE = re.compile(r": \w+: (\w+)"), re.compile(r"\((\S{4}) / 0x"), re.compile(r", (\d+) Hz")
# Lines of side data, indented by six: kind and value.
_SIDE_DATA = re.compile(r"^ {6}(\w[\w ]*?): (.*?) *$", re.MULTILINE)
_DESCRIPTIONS = {
    "Spherical Mapping": "360° description ({}) left out: players will show flat frames",
    "Stereo 3D": "3D description ({}) left out: players will show both views",
    "DOVI configuration record": "Dolby Vision data left out",
}


class _Listening:
    """FFmpeg's log level, which all threads share: raised while one of them listens; others' messages are dropped."""

    def __init__(self) -> None:
        self._lock, self._listeners = threading.Lock(), 0
        self._before: tuple[int | None, bool] = None, True
        self._dropped = ExitStack()

    def begin(self, level: int) -> None:
        with self._lock:
            if not self._listeners:
                self._before = av.logging.get_level(), av.logging.get_skip_repeated()
                if self._before[0] is None:  # else somebody reads them
                    others: Any = av.logging.Capture(local=False)
                    self._dropped.enter_context(others)
            self._listeners += 1
            av.logging.set_level(max(level, av.logging.get_level() or level))
            av.logging.set_skip_repeated(False)  # of another file it may be the same

    def end(self) -> None:
        with self._lock:
            self._listeners -= 1
            if not self._listeners:
                av.logging.set_level(self._before[0])
                av.logging.set_skip_repeated(self._before[1])
                self._dropped.close()


_LISTENING = _Listening()


@contextmanager
def ffmpeg_words(level: int = av.logging.ERROR) -> Iterator[list[Any]]:
    """FFmpeg's messages of this thread, (level, name, message) each; for short calls."""
    _LISTENING.begin(level)
    try:
        with av.logging.Capture() as messages:
            yield messages
    finally:
        _LISTENING.end()


@dataclass(frozen=True, slots=True)
class Declared:
    """What a container says of a video, beside what the decoder finds.

    Attributes:
        margins: of every decoded frame, which players do not show.
        lost: what an output does not take over, one sentence each.
    """

    margins: Margins = field(default_factory=Margins)
    lost: tuple[str, ...] = ()


def declared_of(container: InputContainer, stream: Stream) -> Declared:
    """What the container says of a video stream; only MP4, MOV and Matroska can say it."""
    if not any(name in container.format.name for name in ("mp4", "matroska")):
        return Declared()
    side_data = dict(_SIDE_DATA.findall(_section(container, stream.index).partition("Side data:")[2]))
    edges = [int(each) for each in side_data.get("Frame Cropping", "").split("/") if each.isdigit()]
    margins = Margins(*edges) if len(edges) == 4 else Margins()
    lost = [text.format(side_data[kind].partition(",")[0]) for kind, text in _DESCRIPTIONS.items() if kind in side_data]
    return Declared(margins, tuple(lost))


def codec_of(stream: Stream) -> str | None:
    """FFmpeg's name of the codec of a stream that it has no decoder for, or the four letters of the container."""
    line = _section(stream.container, stream.index).partition("\n")[0]
    name, tag = _CODEC.search(line), _TAG.search(line)
    if name is not None and name[1] not in ("none", "bin_data"):
        return name[1]
    return tag[1] if tag else None


def sample_rate_of(stream: Stream) -> int | None:
    """Samples per second of audio that FFmpeg has no decoder for; None where unknown."""
    match = _RATE.search(_section(stream.container, stream.index).partition("\n")[0])
    return int(match[1]) if match else None


def _section(container: Any, index: int) -> str:
    """The lines about one stream."""
    with ffmpeg_words(av.logging.INFO):
        text: str = container.dumps_format()
    starts = [(int(match[1]), match.start()) for match in _STREAM.finditer(text)]
    ends = [start for _, start in starts[1:]] + [len(text)]
    return next((text[start:end] for (number, start), end in zip(starts, ends, strict=True) if number == index), "")
