"""Which task runs when, and what follows from what came of it."""

from __future__ import annotations

import secrets
import shutil
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from streamseg.errors import StreamsegError

from .executor import Done, Event, Executor, Failed, Lost, Running
from .jobs import FileJob
from .manifest import described, options_hash, read_entry, source_hash
from .probe import Size
from .report import Outcome, Report
from .split.steps import JoinStep, PartStep, PlanStep, Unsplit
from .tasks import Result, Task, work_folder
from .transfer import exists, joined

__all__ = ["Scheduler", "Settings", "why_not_made", "worth_splitting"]

_WAIT_S = 0.5
_STALE_S = 24 * 3600.0
# A file is cut into parts if it is longer than this part of what each worker has to do.
_SHARE, _WORTHWHILE_S = 0.5, 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How a batch is done.

    Attributes:
        resume: pass over outputs that are there and were made of the same source with the same options.
        retries: how often a task whose worker died is begun again.
        split: "auto", "on" or "off": cut files into parts.
        part_seconds: of a part; None for 20 to 60.
    """

    resume: bool = True
    retries: int = 1
    split: str = "auto"
    part_seconds: float | None = None


@dataclass
class _File:
    """A file on its way."""

    outcome: Outcome
    size: Size
    shared: bool = False
    running: dict[int, int] = field(default_factory=dict)  # frames by task
    made: int = 0  # frames of parts that are done
    parts_left: int = 0
    whole: bool = False  # one worker does it after all

    @property
    def job(self) -> FileJob:
        return self.outcome.job

    @property
    def open(self) -> bool:
        return self.outcome.status == "stopped"

    @property
    def frames(self) -> int:
        return self.made + sum(self.running.values())


def worth_splitting(sizes: Sequence[Size], workers: int, split: str) -> list[bool]:
    """Which files are cut into parts: with "auto" those that would keep one worker busy when the others are done."""
    share = sum(size.seconds for size in sizes) / max(1, workers)
    auto = [workers > 1 and size.seconds > max(_WORTHWHILE_S, _SHARE * share) for size in sizes]
    return {"on": [True] * len(sizes), "off": [False] * len(sizes)}.get(split, auto)


def why_not_made(job: FileJob, resume: bool) -> tuple[str, str] | None:
    """Why nothing is to be done for a job: status and reason. None if there is something to do.

    Raises:
        StreamsegError: the source cannot be read.
    """
    source = source_hash(job.source)
    final = joined(job.folder, job.name)
    if not exists(final):
        return None
    entry = read_entry(job.folder, job.name)
    known = described(final)
    if entry is not None and entry.status != "done" and entry.replaced != known:
        return None  # what was interrupted, or what came before damage
    size = None if known is None else known["size"]
    same = entry is not None and entry.status == "done" and entry.output == size
    if entry is not None and same and resume and (entry.source, entry.options) == (source, options_hash(job.options)):
        return "skipped", "is done"
    if job.options["overwrite"]:
        return None
    if entry is None or not same:
        why = "exists, and was not made by this batch"
    elif entry.source != source:
        why = "exists, and was made of another source or before it was changed"
    else:
        why = "exists, and was made with other options" if resume else "exists"
    return "failed", f"{why}: --overwrite replaces it"


class Scheduler:
    """Gives tasks to an executor until all files are done.

    Args:
        jobs: the files, with the size of each.
        executor: does the tasks.
        settings: how.
        report: is told.

    Attributes:
        outcomes: one for each job, in order.
    """

    def __init__(
        self, jobs: Sequence[tuple[FileJob, Size]], executor: Executor, settings: Settings, report: Report
    ) -> None:
        self._executor, self._settings, self._report = executor, settings, report
        shared = worth_splitting([size for _, size in jobs], executor.workers, settings.split)
        files = [_File(Outcome(job), size, each) for (job, size), each in zip(jobs, shared, strict=True)]
        self.outcomes = [file.outcome for file in files]
        # The longest first, so that no worker begins it when the others are done.
        self._waiting = deque(sorted(files, key=lambda file: -file.size.seconds))
        self._ready: deque[Task] = deque()
        self._file_of: dict[int, _File] = {}
        self._lost: dict[int, int] = {}
        self._running: dict[int, Task] = {}
        self._active: dict[int, _File] = {}
        self._finished_frames = 0
        self._numbers = count()

    def run(self) -> None:
        """Do everything. After KeyboardInterrupt what is finished stays, and nothing runs any more."""
        self._remove_stale()
        try:
            while True:
                while self._executor.free > 0 and (task := self._next()) is not None:
                    self._submit(task)
                if not self._running:
                    return
                for event in self._executor.events(_WAIT_S):
                    self._handle(event)
        finally:
            self._executor.stop()
            for task in self._running.values():
                _remove_scratch(task)

    def _next(self) -> Task | None:
        while self._ready:
            task = self._ready.popleft()
            if self._file_of[task.number].open:
                return task
        while self._waiting:
            file = self._waiting.popleft()
            if self._has_work(file):
                step = PlanStep(self._executor.workers, self._settings.part_seconds) if file.shared else None
                return self._task(file, step)
        return None

    def _has_work(self, file: _File) -> bool:
        try:
            known = why_not_made(file.job, self._settings.resume)
        except StreamsegError as error:
            known = "failed", str(error)
        if known is not None:
            self._close(file, *known)
        return known is None

    def _task(self, file: _File, step: Any) -> Task:
        about = file.job.source + (f", {step.describe()}" if step is not None else "")
        task = Task(next(self._numbers), file.job, secrets.token_hex(4), about, step)
        self._file_of[task.number] = file
        return task

    def _submit(self, task: Task) -> None:
        file = self._file_of[task.number]
        if id(file) not in self._active or self._lost.get(task.number):
            self._report.started(file.job, self._lost.get(task.number, 0) + 1)
        self._active[id(file)] = file
        self._running[task.number] = task
        file.running[task.number] = 0
        self._executor.submit(task)

    def _handle(self, event: Event) -> None:
        file = self._file_of[event.task.number]
        if isinstance(event, Running):
            file.running[event.task.number] = event.frames
            if file.open:
                self._tell(file, event)
            return
        del self._running[event.task.number]
        file.running.pop(event.task.number, None)
        _remove_scratch(event.task)  # of attempts whose workers were lost
        if isinstance(event, Lost):
            self._begin_again(file, event)
        elif not file.open:
            pass  # it has failed since
        elif isinstance(event, Failed):
            self._close(file, "failed", event.reason)
        elif isinstance(event, Done):
            self._go_on(file, event.task, event.result)

    def _tell(self, file: _File, event: Running) -> None:
        expected = event.expected if event.task.part is None else file.size.frames or None
        frames = self._finished_frames + sum(each.frames for each in self._active.values())
        self._report.progress(id(file), file.job, file.frames, expected, frames)

    def _begin_again(self, file: _File, event: Lost) -> None:
        if not file.open:
            return
        times = self._lost[event.task.number] = self._lost.get(event.task.number, 0) + 1
        if times > self._settings.retries:
            again = f", {times} times" if times > 1 else ""
            self._close(file, "failed", f"{event.reason}{again}")
            return
        self._report.note(file.job, f"{event.reason}: it is done again")
        self._ready.appendleft(replace(event.task, token=secrets.token_hex(4)))

    def _go_on(self, file: _File, task: Task, result: Result) -> None:
        if isinstance(result.value, Unsplit):
            self._leave_to_one(file, result.value.reason)
        elif task.part is None or isinstance(task.part, JoinStep):
            file.outcome.warnings = result.warnings
            file.outcome.frames, file.outcome.seconds = result.frames, result.seconds
            self._close(file, "done", "")
        elif isinstance(task.part, PlanStep):
            plan, folder, there = result.value
            file.made, file.parts_left = sum(there.values()), len(plan.parts) - len(there)
            steps = [PartStep(plan, part, folder) for part in plan.parts if part.number not in there]
            self._ready.extend(self._task(file, step) for step in steps)
            self._join_if_made(file, JoinStep(plan, folder))
        elif isinstance(task.part, PartStep) and not file.whole:
            file.made += result.frames
            file.parts_left -= 1
            self._join_if_made(file, JoinStep(task.part.plan, task.part.folder))

    def _join_if_made(self, file: _File, step: JoinStep) -> None:
        if not file.parts_left:
            self._ready.appendleft(self._task(file, step))

    def _leave_to_one(self, file: _File, reason: str) -> None:
        if file.whole:
            return
        file.whole, file.made = True, 0
        self._report.note(file.job, f"one worker does it: {reason}")
        self._ready = deque(task for task in self._ready if self._file_of[task.number] is not file)
        self._ready.append(self._task(file, None))

    def _close(self, file: _File, status: str, reason: str) -> None:
        file.outcome.status, file.outcome.reason = status, reason.removeprefix(f"{file.job.source}: ")
        self._active.pop(id(file), None)
        self._finished_frames += file.outcome.frames
        self._report.finished(file.outcome)

    def _remove_stale(self) -> None:
        """What is left of a machine that went down: nothing else leaves files that nobody removes."""
        for folder in {work_folder(outcome.job) for outcome in self.outcomes}:
            if folder is None or not folder.is_dir():
                continue
            for each in folder.iterdir():
                with suppress(OSError):
                    newest = max(path.stat().st_mtime for path in (each, *each.rglob("*")))
                    if time.time() - newest > _STALE_S:
                        shutil.rmtree(each, ignore_errors=True)


def _remove_scratch(task: Task) -> None:
    folder = work_folder(task.job)
    for each in folder.glob(f"{task.token}-*") if folder is not None else ():
        shutil.rmtree(each, ignore_errors=True)
