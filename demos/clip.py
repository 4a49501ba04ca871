"""A clip of a visitor's through the line of production, with progress."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

from streamseg.pipelines import Summary, VideoJob
from streamseg.pipelines.matting import Matting

from streamseg.errors import DamagedInput, InputError
from streamseg.media.target import Encoding
from streamseg.runtime import Statistics

from .choices import Choices
from .places import Places
from .uploads import take_clip
from .visitors import Visitor

__all__ = ["Progress", "process_clip"]

_ASK_EVERY_S = 0.5


#: A gr.Progress: called with how much is done and a few words.
Progress = Callable[..., Any]


def process_clip(
    visitor: Visitor, places: Places, upload: Path, choices: Choices, seconds: float, progress: Progress
) -> tuple[Path, Summary]:
    """The clip with what is chosen on the page, and what was done; waits for a place first.

    Args:
        visitor: whose it is, and whose ``job`` it is meanwhile.
        places: of which it takes one.
        upload: the clip.
        choices: background, steadiness, edges, speed.
        seconds: at most; the rest is left out.
        progress: called all the while.

    Raises:
        InputError: it cannot be used, or the visitor has gone.
    """
    _wait(visitor, places, progress)
    try:
        source = take_clip(str(upload), visitor.folder)
        output = visitor.folder / "streamseg.mp4"
        visitor.job = _job(source, output, choices, visitor, seconds)
        return output, _run(visitor.job, progress)
    finally:
        visitor.job = None
        places.leave(visitor.clip)
        if visitor.gone:
            visitor.forget()


def _wait(visitor: Visitor, places: Places, progress: Progress) -> None:
    while place := places.ask(visitor.clip):
        if visitor.gone:
            raise InputError("The page was closed")
        progress(0.0, desc=f"All {places.limit} places are taken, {place - 1} before you: it starts by itself")
        sleep(_ASK_EVERY_S)
    places.hold(visitor.clip)


def _job(source: Path, output: Path, choices: Choices, visitor: Visitor, seconds: float) -> VideoJob:
    return VideoJob(
        source,
        output,
        choices.backdrop(visitor.uploaded),
        duration=seconds,
        overwrite=True,
        encoding=Encoding(codec="h264", crf=20),
        matting=Matting(choices.steady, edges=choices.edges, speed=_speed(choices.speed)),
    )


def _speed(chosen: str) -> str:
    """Nobody waits for a frame of a file: its automatic is the best."""
    return "best" if chosen == "auto" else chosen


def _run(job: VideoJob, progress: Progress) -> Summary:
    def show(statistics: Statistics) -> None:
        progress((statistics.items, job.expected_frames), desc=f"{statistics.items_per_second:.0f} fps", unit="frames")

    try:
        return job.run(show)
    except DamagedInput:
        if job.summary is None:
            raise
        return job.summary
    except InputError as error:
        raise InputError(re.sub(re.escape(str(job.source)), "This clip", str(error))) from error
