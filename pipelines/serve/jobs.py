"""Jobs: a queue, workers, and results that are deleted in time. Knows nothing of HTTP."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections import Counter, deque
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from threading import Condition, Lock, Thread
from time import monotonic
from typing import Any

from streamseg.errors import StreamsegError
from streamseg.runtime.memory import trim

from .inputs.options import ClipOptions
from .refusal import refusal_of

__all__ = ["FAILED", "Job", "JobQueue", "QueueFull", "State"]

_LOG = logging.getLogger("streamseg")
#: What a client reads of an error that is none of its own.
FAILED = "the service failed: its log says why"


class State(StrEnum):
    """Of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class QueueFull(Exception):
    """As many jobs wait as may."""


class Job:
    """A clip and what becomes of it; may be used from any thread.

    Args:
        folder: for its files; deleted with the job.
        options: of the request.
        fetch: gets the clip into a file; None if it is there.

    Attributes:
        id: unguessable: who knows it may read the result.
        source, background, result: files in ``folder``.
        state: see State.
        figures: frames, expected_frames, fps, warnings, error.
        finished: when it came to its end, by the clock of the queue; None before.
        fetched: whether somebody has read the result to its end.
    """

    def __init__(self, folder: Path, options: ClipOptions, fetch: Any = None) -> None:
        self.id = secrets.token_urlsafe(16)
        self.folder, self.options, self.fetch = folder, options, fetch
        self.source, self.background = folder / "clip", folder / "background"
        self.result = folder / f"result.{options.format}"
        self.state = State.QUEUED
        self.figures: dict[str, Any] = {"frames": 0, "expected_frames": None, "fps": 0.0, "warnings": [], "error": None}
        self.finished: float | None = None
        self.fetched = False
        self._lock, self._cancelled = Lock(), False
        self._stop: Callable[[], None] = lambda: None
        self._listeners: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._cancelled

    def update(self, state: State | None = None, **figures: Any) -> None:
        """Change figures, and the state, unless it is final; tell the listeners."""
        with self._lock:
            if self.state.is_final:
                return
            self.figures |= figures
            self.state = state or self.state
            listeners = list(self._listeners)
        for each in listeners:
            each()

    def stoppable_by(self, stop: Callable[[], None]) -> None:
        """``stop`` ends what the worker does now; it is called at once if the job has been cancelled."""
        with self._lock:
            self._stop = stop
            late = self._cancelled
        if late:
            stop()

    def cancel(self) -> None:
        """End the job."""
        with self._lock:
            self._cancelled, stop = True, self._stop
        stop()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after each change, from any thread; gives a function that ends this."""
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return end


class JobQueue:
    """Jobs from the request to the deletion of their results; may be used from any thread.

    Args:
        work: does a job; raises StreamsegError if it fails.
        workers: jobs that run at a time.
        limit: jobs that may wait.
        keep_seconds: after which a finished job is deleted.
        clock: monotonic time in seconds.
        changed: called when a job has come to its end, with its state.
    """

    def __init__(
        self,
        work: Callable[[Job], None],
        workers: int,
        limit: int,
        keep_seconds: float,
        clock: Callable[[], float] = monotonic,
        changed: Callable[[State], None] = lambda state: None,
    ) -> None:
        self._work, self._limit, self._keep, self._clock, self._changed = (
            work,
            workers + limit,
            keep_seconds,
            clock,
            changed,
        )
        self._condition = Condition()
        self._waiting: deque[Job] = deque()
        self._jobs: dict[str, Job] = {}
        self._reserved = self._running = 0
        self._closed = False
        self._threads = [Thread(target=self._loop, name=f"clip worker {k}", daemon=True) for k in range(workers)]
        for thread in self._threads:
            thread.start()

    def reserve(self) -> None:
        """Keep a place for a job whose clip is still being received. Raises QueueFull if there is none."""
        with self._condition:
            if self._closed or self._reserved + len(self._waiting) + self._running >= self._limit:
                raise QueueFull
            self._reserved += 1

    def give_up(self) -> None:
        """Give back a place: there will be no job for it."""
        with self._condition:
            self._reserved -= 1

    def submit(self, job: Job) -> None:
        """Put a job into the place that was reserved for it."""
        with self._condition:
            self._reserved -= 1
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._condition.notify()

    def get(self, job_id: str) -> Job | None:
        """The job with this id, unless it was deleted."""
        self.remove_expired()
        with self._condition:
            return self._jobs.get(job_id)

    def position(self, job: Job) -> int:
        """How many jobs are before it; 0 if it does not wait."""
        with self._condition:
            return self._waiting.index(job) if job in self._waiting else 0

    def counts(self) -> Counter[str]:
        """Number of jobs by state."""
        with self._condition:
            return Counter(str(job.state) for job in self._jobs.values())

    @property
    def unfinished(self) -> bool:
        """Whether a job runs."""
        with self._condition:
            return self._running > 0

    def finished_since(self, time: float) -> list[Job]:
        """Jobs that came to their end after ``time``."""
        with self._condition:
            return [job for job in self._jobs.values() if job.finished is not None and job.finished >= time]

    def delete(self, job: Job) -> None:
        """Cancel a job, and delete it with its files; those of a running one when it has stopped."""
        with self._condition:
            self._jobs.pop(job.id, None)
            waited = job in self._waiting
            if waited:
                self._waiting.remove(job)
            over = waited or job.state.is_final
        job.cancel()
        if over:
            shutil.rmtree(job.folder, ignore_errors=True)
            job.update(State.CANCELLED)
            if waited:
                self._changed(State.CANCELLED)

    def remove_expired(self) -> None:
        """Delete the jobs whose time is over."""
        with self._condition:
            end = self._clock() - self._keep
            expired = [job for job in self._jobs.values() if job.finished is not None and job.finished <= end]
            for job in expired:
                del self._jobs[job.id]
        for job in expired:
            shutil.rmtree(job.folder, ignore_errors=True)

    def drop_waiting(self, reason: str) -> None:
        """Start no more jobs; those that wait fail with ``reason``."""
        with self._condition:
            self._closed = True
            waiting, self._waiting = list(self._waiting), deque()
            for job in waiting:
                job.finished = self._clock()
            self._condition.notify_all()
        for job in waiting:
            job.update(State.FAILED, error=reason)
            self._changed(State.FAILED)

    def close(self) -> None:
        """Cancel everything, wait for the workers, and delete all files. Safe to call twice."""
        self.drop_waiting("the service has ended")
        with self._condition:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
        for thread in self._threads:
            thread.join()
        for job in jobs:
            shutil.rmtree(job.folder, ignore_errors=True)

    def _loop(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                job = self._waiting.popleft()
                self._running += 1
            try:
                self._do(job)
            finally:
                with self._condition:
                    self._running -= 1
                self._changed(job.state)
                trim()

    def _do(self, job: Job) -> None:
        job.update(State.RUNNING)
        state, error = State.DONE, None
        try:
            self._work(job)
        except StreamsegError as failure:
            state, error = State.FAILED, refusal_of(failure, job.folder).message
        except Exception:
            _LOG.exception("a clip failed")
            state, error = State.FAILED, FAILED
        job.finished = self._clock()
        if job.cancelled:  # its files are gone when it says so
            shutil.rmtree(job.folder, ignore_errors=True)
            state, error = State.CANCELLED, None
        job.update(state, error=error)
