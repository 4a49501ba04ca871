"""The tasks of workers that share one file: plan, part, join."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.errors import DamagedInput, InputError, StreamsegError

from ..jobs import FileJob
from ..manifest import FOLDER, options_hash, source_hash, write_entry
from ..tasks import Progress, Result, finish, scratch_folder, started_entry, ticks, video_job_of
from ..transfer import deliver, joined, read_text, write_text
from .join import JoinJob, MadePart
from .part import PartJob
from .part_file import PartIndex
from .plan import NotSplit, Part, Plan, plan_parts

if TYPE_CHECKING:
    from ..tasks import Task

__all__ = ["JoinStep", "PartStep", "PlanStep", "Unsplit", "parts_folder", "remove_parts"]


@dataclass(frozen=True, slots=True)
class Unsplit:
    """Why one worker has to do the whole file; one line."""

    reason: str


def _final(job: FileJob) -> str:
    return joined(job.folder, job.name)


def _prefix(job: FileJob) -> str:
    return blake2b(job.name.encode(), digest_size=8).hexdigest()


def parts_folder(job: FileJob, plan: Plan) -> Path:
    """Where parts wait for the others; of other options, sources and cuts there is another one."""
    made_of = json.dumps([source_hash(job.source), options_hash(job.options), plan.cuts])
    key = blake2b(made_of.encode(), digest_size=8).hexdigest()
    return Path(job.folder, FOLDER, "parts", f"{_prefix(job)}-{key}")


def remove_parts(job: FileJob) -> None:
    """Remove the parts of a file that are left from this run and from earlier ones."""
    for folder in Path(job.folder, FOLDER, "parts").glob(f"{_prefix(job)}-*"):
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class PlanStep:
    """Reads the whole source once, without decoding; its result is a Plan and the numbers of parts that are there."""

    workers: int
    length: float | None

    def describe(self) -> str:
        """For people."""
        return "where to cut it"

    def run(self, task: Task, progress: Progress) -> Result:
        job = task.job
        try:
            plan = plan_parts(video_job_of(job, job.source, _final(job)), self.workers, self.length)
        except NotSplit as reason:
            return Result(value=Unsplit(str(reason)))
        except InputError as error:
            return Result(value=Unsplit(str(error)))
        write_entry(job.folder, job.name, started_entry(job))
        folder = parts_folder(job, plan)
        there = {part.number: index for part in plan.parts if (index := _read_index(folder, part.number)) is not None}
        return Result(value=(plan, folder, {number: index.frames for number, index in there.items()}))


@dataclass(frozen=True, slots=True)
class PartStep:
    """Makes one part."""

    plan: Plan
    part: Part
    folder: Path

    def describe(self) -> str:
        """For people."""
        return f"part {self.part.number + 1} of {len(self.plan.parts)}"

    def run(self, task: Task, progress: Progress) -> Result:
        video = video_job_of(task.job, task.job.source, _final(task.job))
        with scratch_folder(task) as scratch:
            path = scratch / f"{self.part.number:05d}"
            job = PartJob(video, self.plan, self.part, path)
            try:
                job.run(ticks(job, lambda _frames, _expected: progress(job.frames, self.part.frames)))
                index = job.index
            except NotSplit as reason:
                return Result(value=Unsplit(str(reason)))
            except (DamagedInput, InputError) as error:
                return Result(value=Unsplit(str(error)))
            deliver(path, str(self.folder / path.name))
        write_text(str(self.folder / f"{path.name}.json"), json.dumps(index.as_dict()))
        return Result(index.frames, index.seconds, index.warnings)


@dataclass(frozen=True, slots=True)
class JoinStep:
    """Makes the output of all parts."""

    plan: Plan
    folder: Path

    def describe(self) -> str:
        """For people."""
        return "joining its parts"

    def run(self, task: Task, progress: Progress) -> Result:
        job = task.job
        parts = self._parts()
        if parts is None:
            return Result(value=Unsplit("its parts have been removed meanwhile"))
        if parts_folder(job, self.plan) != self.folder:
            return Result(value=Unsplit("it has been changed meanwhile"))
        entry = started_entry(job)
        with scratch_folder(task) as scratch:
            made = scratch / Path(job.name).name
            output = f"{made}/" if job.name.endswith("/") else str(made)
            try:
                warnings = JoinJob(video_job_of(job, job.source, output), parts).join()
            except NotSplit as reason:
                return Result(value=Unsplit(str(reason)))
            except StreamsegError as error:
                reason_given = str(error).replace(str(made), _final(job).rstrip("/"))
                write_entry(job.folder, job.name, replace(entry, status="failed", reason=reason_given))
                raise type(error)(reason_given) from error
            frames = sum(part.index.frames for part in parts)
            seconds = sum(part.index.seconds for part in parts)
            finish(job, entry, made, frames, seconds)
        remove_parts(job)
        every = [each for part in parts for each in part.index.warnings] + warnings
        return Result(frames, seconds, list(dict.fromkeys(every)))

    def _parts(self) -> Sequence[MadePart] | None:
        parts = []
        for part in self.plan.parts:
            index = _read_index(self.folder, part.number)
            if index is None:
                return None
            parts.append(MadePart(self.folder / f"{part.number:05d}", index))
        return parts


def _read_index(folder: Path, number: int) -> PartIndex | None:
    text = read_text(str(folder / f"{number:05d}.json"))
    try:
        return None if text is None else PartIndex.of(json.loads(text))
    except (ValueError, TypeError, KeyError):
        return None
