"""What the scheduler wants of whoever runs tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .tasks import Result, Task

__all__ = ["Done", "Event", "Executor", "Failed", "Lost", "Running"]


@dataclass(frozen=True, slots=True)
class Running:
    """A task goes on: frames done, and how many are expected."""

    task: Task
    frames: int
    expected: int | None


@dataclass(frozen=True, slots=True)
class Done:
    """A task is done."""

    task: Task
    result: Result


@dataclass(frozen=True, slots=True)
class Failed:
    """A task cannot be done, for a reason that is in the file or in its options."""

    task: Task
    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker of a task is gone; the task can be done elsewhere."""

    task: Task
    reason: str


Event = Running | Done | Failed | Lost


class Executor(Protocol):
    """Runs tasks in other processes, maybe on other machines."""

    @property
    def free(self) -> int:
        """How many more tasks could start now."""
        ...

    @property
    def workers(self) -> int:
        """How many tasks run at a time."""
        ...

    def submit(self, task: Task) -> None:
        """Start a task."""
        ...

    def events(self, seconds: float) -> list[Event]:
        """What has happened; waits for something to happen, up to ``seconds``."""
        ...

    def stop(self) -> None:
        """End all tasks, which remove what is not complete, and all workers. Safe to call twice."""
        ...
