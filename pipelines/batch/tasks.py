"""What a worker does: a whole file, or a step of a file that several workers share."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from streamseg.errors import DamagedInput, OutputError, StreamsegError
from streamseg.runtime import Statistics

from ..command.video_job import video_job
from ..video import VideoJob
from .jobs import FileJob
from .manifest import FOLDER, Entry, described, options_hash, read_entry, source_hash, write_entry
from .transfer import deliver, fetch, is_url, joined

__all__ = ["Progress", "Result", "Task", "run_task", "scratch_folder", "work_folder"]

_TICK_S = 0.5

#: Frames done, and how many are expected, if that is known.
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Task:
    """A piece of work for one worker.

    Attributes:
        number: of the task.
        job: the file that it belongs to.
        token: a name that no other task has, for files that are not complete.
        about: for people.
        part: what of the file, for a step of a file that several workers share; None for the whole file.
    """

    number: int
    job: FileJob
    token: str
    about: str
    part: Any = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task.

    Attributes:
        frames, seconds: of the work.
        warnings: one sentence each.
        value: of a step of a shared file.
    """

    frames: int = 0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    value: Any = None


def run_task(task: Task, progress: Progress) -> Result:
    """Do it. Whatever interrupts it leaves nothing half-written under an output's name; it can be done again.

    Raises:
        StreamsegError: with the reason in one line.
    """
    if task.part is not None:
        return task.part.run(task, progress)  # type: ignore[no-any-return]
    return _whole_file(task, progress)


def work_folder(job: FileJob) -> Path | None:
    """Where files grow that are not complete; None where the output folder is at a URL: each machine has its own."""
    return None if is_url(job.folder) else Path(job.folder, FOLDER, "work")


@contextmanager
def scratch_folder(task: Task) -> Iterator[Path]:
    """A folder for this attempt, which is removed at the end; on the file system of the output where that is local."""
    parent = work_folder(task.job)
    if parent is None:
        with tempfile.TemporaryDirectory(prefix="streamseg-") as temporary:
            yield Path(temporary)
        return
    folder = parent / f"{task.token}-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{task.job.folder}: cannot be written there ({error.strerror})") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def video_job_of(job: FileJob, source: str, output: str) -> VideoJob:
    """The VideoJob of a whole file; its output is a new one."""
    return video_job(argparse.Namespace(**{**job.options, "overwrite": False}), source, output)


def _whole_file(task: Task, progress: Progress) -> Result:
    job, final = task.job, joined(task.job.folder, task.job.name)
    entry = started_entry(job)
    write_entry(job.folder, job.name, entry)
    source = job.source
    with scratch_folder(task) as folder:
        made = folder / Path(job.name).name
        output = f"{made}/" if job.name.endswith("/") else str(made)
        try:
            source = fetch(job.source, folder)
            video = video_job_of(job, source, output)
            summary = video.run(ticks(video, progress))
            if not summary.frames:
                raise OutputError(f"{job.source}: no frame was written")
        except StreamsegError as error:
            reason = str(error).replace(str(made), final.rstrip("/")).replace(source, job.source)
            if made.exists():  # what came before the damage
                deliver(made, final)
            write_entry(job.folder, job.name, replace(entry, status="failed", reason=reason))
            raise _same_kind(error, reason) from error
        finish(job, entry, made, summary.frames, summary.seconds)
    return Result(summary.frames, summary.seconds, summary.warnings)


def finish(job: FileJob, entry: Entry, made: Path, frames: int, seconds: float) -> None:
    """Give a complete output its name, and note it."""
    size = made.stat().st_size if made.is_file() else None
    deliver(made, joined(job.folder, job.name))
    done = replace(entry, status="done", output=size, frames=frames, seconds=round(seconds, 3))
    write_entry(job.folder, job.name, done)


def started_entry(job: FileJob) -> Entry:
    """What is noted before the work. Raises InputError if the source cannot be read."""
    before, known = read_entry(job.folder, job.name), described(joined(job.folder, job.name))
    unfinished = before is not None and before.status != "done" and before.replaced != known
    return Entry(
        "started",
        source_hash(job.source),
        options_hash(job.options),
        replaced=before.replaced if before is not None and unfinished else known,
        about={"source": job.source, "options": job.options},
    )


def ticks(video: VideoJob, progress: Progress) -> Callable[[Statistics], None]:
    """A function for VideoJob.run that reports the frames now and then."""
    last = 0.0

    def on_tick(statistics: Statistics) -> None:
        nonlocal last
        if time.monotonic() - last > _TICK_S:
            last = time.monotonic()
            progress(statistics.items, video.expected_frames)

    return on_tick


def _same_kind(error: StreamsegError, message: str) -> StreamsegError:
    if isinstance(error, DamagedInput):
        return DamagedInput(message, error.time)
    return type(error)(message)
