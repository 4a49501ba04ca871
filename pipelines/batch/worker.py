"""The process of a worker: takes tasks from a pipe, one after the other."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from streamseg.errors import StreamsegError
from streamseg.runtime.cores import CORES_VARIABLE

__all__ = ["DONE", "FAILED", "PROGRESS", "work"]

PROGRESS, DONE, FAILED = "progress", "done", "failed"


def work(pipe: Connection, cores: int) -> None:
    """Do the tasks that come through ``pipe``, and tell there how it goes, until it is closed.

    SIGTERM ends it, and removes what is not complete. So does the end of the process at the other end of the pipe.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all processes; the scheduler tells us
    signal.signal(signal.SIGTERM, _interrupt)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    os.environ[CORES_VARIABLE] = str(cores)
    from ..command.allocator import keep_memory_small

    keep_memory_small()
    with suppress(KeyboardInterrupt, EOFError, OSError):
        while True:
            _do(pipe, pipe.recv())


def _do(pipe: Connection, task: Any) -> None:
    from .tasks import run_task

    def progress(frames: int, expected: int | None) -> None:
        pipe.send((PROGRESS, task.number, (frames, expected)))

    try:
        result = run_task(task, progress)
    except StreamsegError as error:
        pipe.send((FAILED, task.number, str(error)))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        pipe.send((FAILED, task.number, f"{type(error).__name__}: {error}"))
    except Exception as error:  # a defect: it does not stop the others either
        pipe.send((FAILED, task.number, f"{type(error).__name__}: {error}"))
    else:
        pipe.send((DONE, task.number, result))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
