"""Workers on this machine, each a process of its own, which may die without harm to the others."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from streamseg.runtime import usable_cores
from streamseg.runtime.available import available_memory

from .executor import Done, Event, Failed, Lost, Running
from .tasks import Task
from .worker import DONE, FAILED, work

__all__ = ["ProcessPool", "suitable_workers"]

# Peak memory of a worker on one core, by megapixels of its frames; measured, see docs/batch.md.
_MEMORY, _MEMORY_PER_MEGAPIXEL = 330 << 20, 80 << 20
_GRACE_S = 5.0


def suitable_workers(megapixels: float) -> int:
    """How many workers this machine has cores and memory for.

    One for each core: files do not depend on each other, so nothing waits, as stages of one file do for each other.

    Args:
        megapixels: of the largest frames.
    """
    memory = available_memory()
    cost = _MEMORY + int(megapixels * _MEMORY_PER_MEGAPIXEL)
    return max(1, min([usable_cores(), *([memory // cost] if memory is not None else [])]))


class _Worker:
    """A process, the pipe to it, and what it is doing."""

    def __init__(self, cores: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.task: Task | None = None
        self.process = context.Process(target=work, args=(other, cores), name="streamseg worker", daemon=True)
        with _signals_blocked():
            self.process.start()
        other.close()

    def submit(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # it is gone, which its pipe will say
            self.pipe.send(task)

    def died_of(self) -> str:
        """Why it is gone."""
        self.process.join(_GRACE_S)
        code = self.process.exitcode
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"the worker was killed ({signal.Signals(-code).name})"
        return f"the worker ended (status {code})"


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """A process that is started meanwhile begins with Ctrl-C blocked: it has no handler yet."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class ProcessPool:
    """An Executor on this machine.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._cores = max(1, usable_cores() // workers)
        self._of: dict[Any, _Worker] = {}  # by their pipes

    @property
    def free(self) -> int:
        return self.workers - sum(worker.task is not None for worker in self._of.values())

    def submit(self, task: Task) -> None:
        worker = next((each for each in self._of.values() if each.task is None), None)
        if worker is None:
            worker = _Worker(self._cores)
            self._of[worker.pipe] = worker
        worker.submit(task)

    def events(self, seconds: float) -> list[Event]:
        ready = wait(list(self._of), seconds)
        return [event for pipe in ready if (event := self._event(pipe)) is not None]

    def _event(self, pipe: Any) -> Event | None:
        worker = self._of[pipe]
        task = worker.task
        try:
            kind, number, value = pipe.recv()
        except (EOFError, OSError):
            self._forget(pipe)
            return None if task is None else Lost(task, worker.died_of())
        if task is None or number != task.number:
            return None
        if kind == DONE:
            worker.task = None
            return Done(task, value)
        if kind == FAILED:
            worker.task = None
            return Failed(task, value)
        return Running(task, *value)

    def _forget(self, pipe: Connection) -> None:
        del self._of[pipe]
        pipe.close()

    def stop(self) -> None:
        workers = list(self._of.values())
        for worker in workers:
            worker.process.terminate()
        _join(workers, _GRACE_S)
        for worker in workers:
            if worker.process.is_alive():  # in one long call into FFmpeg
                worker.process.kill()
        _join(workers, _GRACE_S)
        for pipe in list(self._of):
            self._forget(pipe)


def _join(workers: Iterable[_Worker], seconds: float) -> None:
    end = time.monotonic() + seconds
    for worker in workers:
        worker.process.join(max(0.0, end - time.monotonic()))
