"""A visitor's clip through the pipeline for files, with progress."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

from streamseg.pipelines import Summary, VideoJob
from streamseg.pipelines.stages.options import Matting

from streamseg.errors import DamagedInput, InputError
from streamseg.media.writing.target import Encoding
from streamseg.runtime import Statistics

from .admission import Admission
from .choices import Choices
from .uploads import store_clip
from .visitors import Visitor

__all__ = ["Progress", "process_clip"]

_REQUEST_INTERVAL_S = 0.5

#: A gr.Progress: called with the part that is done and a description.
Progress = Callable[..., Any]


def process_clip(
    visitor: Visitor, admission: Admission, upload: Path, choices: Choices, seconds: float, progress: Progress
) -> tuple[Path, Summary]:
    """Wait for admission, then process a clip; returns the output file and the summary.

    Args:
        visitor: whose clip it is; ``visitor.job`` is set meanwhile.
        admission: gives the slot.
        upload: the clip.
        choices: background, steadiness, edges, speed.
        seconds: how much of the clip is processed, at most.
        progress: called while waiting and while processing.

    Raises:
        InputError: the clip cannot be used, or the visitor has closed the page.
    """
    _wait_for_slot(visitor, admission, progress)
    visitor.idle.clear()
    try:
        source = store_clip(str(upload), visitor.folder)
        output = visitor.folder / "streamseg.mp4"
        visitor.job = _job(source, output, choices, visitor, seconds)
        return output, _run(visitor.job, progress)
    finally:
        visitor.job = None
        admission.release(visitor.clip_id)
        if visitor.closed:
            visitor.clean_up()
        visitor.idle.set()


def _wait_for_slot(visitor: Visitor, admission: Admission, progress: Progress) -> None:
    while position := admission.request(visitor.clip_id):
        if visitor.closed:
            raise InputError("The page was closed")
        waiting = f"All {admission.capacity} places are taken, {position - 1} before you: it starts automatically"
        progress(0.0, desc=waiting)
        sleep(_REQUEST_INTERVAL_S)
    admission.hold(visitor.clip_id)


def _job(source: Path, output: Path, choices: Choices, visitor: Visitor, seconds: float) -> VideoJob:
    return VideoJob(
        source,
        output,
        choices.background_option(visitor.uploaded),
        duration=seconds,
        overwrite=True,
        encoding=Encoding(codec="h264", crf=20),
        matting=Matting(choices.steady, edges=choices.edges, speed=_speed(choices.speed)),
    )


def _speed(chosen: str) -> str:
    """A file has no frame rate to keep up with: "auto" is the best quality."""
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
