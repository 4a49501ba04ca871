"""How much work a file is, by what its container says; a few milliseconds, nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from streamseg.errors import StreamsegError
from streamseg.media.reading.source import choose_video_stream, open_input

from .jobs import FileJob
from .transfer import is_url

__all__ = ["Size", "probe"]

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """What is known of a file's video: seconds and frames to be processed, an estimate, and megapixels of a frame."""

    seconds: float = 0.0
    frames: int = 0
    megapixels: float = 0.0


def probe(job: FileJob) -> Size:
    """The size of a job; zeros for what is not known, as of URLs and of files that cannot be opened."""
    if is_url(job.source):
        return Size()
    try:
        container = open_input(job.source)
    except StreamsegError:
        return Size()
    try:
        video = choose_video_stream(container, job.source, job.options["stream"])
        seconds = max(0.0, (container.duration or 0) / _MICROSECONDS - job.options["start"])
        if job.options["duration"] is not None:
            seconds = min(seconds, job.options["duration"])
        frames = round(seconds * float(video.average_rate or 0))
        return Size(seconds, frames, video.width * video.height / 1e6)
    except StreamsegError:
        return Size()
    finally:
        container.close()
