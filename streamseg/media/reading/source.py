"""Opens inputs: files, pipes and addresses; with a one-line error for what cannot be opened."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from streamseg.errors import InputError, OptionError
from streamseg.media.heif import is_composed
from streamseg.media.reading.dump import ffmpeg_words
from streamseg.media.reading.restriction import restriction

__all__ = [
    "choose_video_stream",
    "is_address",
    "is_cover",
    "is_present",
    "open_input",
    "reads_once",
    "video_streams",
]

_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 15.0, 30.0
# FFmpeg decodes text files as the screen of a terminal.
_TEXT_FORMAT = "tty"
_ENCRYPTED_TAGS = ("encv", "drmi")


def is_address(source: str) -> bool:
    """Whether ``source`` is not a file: "-" or a URL."""
    return source == "-" or "://" in source


def reads_once(source: str) -> bool:
    """Whether ``source`` can be read only once: standard input and named pipes, where seeking only seems to work."""
    return source == "-" or (not is_address(source) and Path(source).is_fifo())


def is_present(path: str) -> bool:
    """Whether ``path`` exists; False also for what cannot be a path."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def open_input(source: str, decoder: HWAccel | None = None) -> InputContainer:
    """Open a file, "-" (standard input) or a URL for reading.

    Args:
        decoder: FFmpeg's settings for decoding on a GPU; None for the CPU.

    Raises:
        InputError: it is missing, unreadable or not a media file, or may not be opened (see
            streamseg.media.reading.restriction); the message says which.
    """
    limits = restriction()
    if limits is not None and is_address(source):
        raise InputError(f"{source}: is an address: expected a file")
    if not is_address(source) and not is_present(source):
        raise InputError(f"{source}: no such file")
    if not is_address(source) and Path(source).is_dir():
        raise InputError(f"{source}: is a folder: expected a video file")
    network = "://" in source and not source.startswith("file:")
    # A file's name may have a colon, before which FFmpeg would look for a protocol.
    name = {"-": "pipe:0"}.get(source, source if is_address(source) else f"file:{source}")
    options = limits.options if limits else None
    try:
        container = av.open(
            name,
            timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S) if network else None,
            metadata_errors="replace",
            hwaccel=decoder,
            options=options,
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = _reason(error, name, options)
        raise InputError(f"{_display_name(source)}: cannot be opened as a video ({reason})") from error
    if container.format.name == _TEXT_FORMAT:
        container.close()
        raise InputError(f"{_display_name(source)}: cannot be opened as a video (it is a text file)")
    if limits is not None:
        for stream in container.streams.video:
            if stream.codec_context is not None:
                stream.codec_context.options = limits.decoder_options
    return container


def choose_video_stream(container: InputContainer, source: str, index: int = 0) -> VideoStream:
    """The ``index``-th video stream, from 0; cover images are not counted.

    Raises:
        InputError: there is no video, it is encrypted, no decoder knows it, or it is an image of tiles.
        OptionError: there is no video stream of that number.
    """
    if is_composed(container):
        raise InputError(f"{_display_name(source)}: is an image of several tiles, no video; streamseg image reads it")
    streams = video_streams(container)
    if not streams:
        raise InputError(f"{_display_name(source)}: has no video stream")
    if not 0 <= index < len(streams):
        raise OptionError(
            f"--stream {index}: {_display_name(source)} has {len(streams)} video stream(s), numbered from 0"
        )
    stream = streams[index]
    if stream.codec_context is None:  # FFmpeg does not know the codec, or the file's header is damaged
        raise InputError(f"{_display_name(source)}: the video is in a format that no decoder knows; convert it first")
    if stream.codec_tag in _ENCRYPTED_TAGS:
        raise InputError(f"{_display_name(source)}: the video is encrypted; decrypt it first")
    return stream


def is_cover(stream: Stream) -> bool:
    """Whether a video stream is a cover image, with one packet."""
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def video_streams(container: InputContainer) -> list[VideoStream]:
    """The video streams without the cover images."""
    return [stream for stream in container.streams.video if not is_cover(stream)]


def _display_name(source: str) -> str:
    return "standard input" if source == "-" else source


def _reason(error: Exception, name: str, options: dict[str, str] | None) -> str:
    """What FFmpeg gives as the reason, and its own last sentence about a file."""
    reason = str(getattr(error, "strerror", None) or error)
    # Opened again to hear it: a pipe would wait for another writer.
    if not isinstance(error, av.error.InvalidDataError) or not Path(name.removeprefix("file:")).is_file():
        return reason
    with ffmpeg_words() as words, suppress(av.error.FFmpegError, OSError, ValueError):
        av.open(name, options=options).close()
    return f"{reason}: {words[-1][2].strip()}" if words else reason
