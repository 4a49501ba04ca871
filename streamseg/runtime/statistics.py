"""Statistics of a run: time per stage, fill of the queues, and totals.

Every number is written by one thread, so that any thread may read it without a lock at any time.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import zip_longest
from time import perf_counter
from typing import Any

__all__ = ["QueueStatistics", "StageStatistics", "Statistics"]

HEADER = ("stage", "items", "ms/item", "busy s", "wait in s", "wait out s", "queue after: mean, peak")


@dataclass
class StageStatistics:
    """Items and time of one stage. Items that bypass the stages, and the sink's time for them, are not counted.

    Attributes:
        name: name of the stage.
        items: items that it is done with.
        busy_seconds: time in its own calls.
        waiting_in_seconds, waiting_out_seconds: time waiting for an item, and for a free slot in the next queue.
    """

    name: str
    items: int = 0
    busy_seconds: float = 0.0
    waiting_in_seconds: float = 0.0
    waiting_out_seconds: float = 0.0

    @property
    def mean_ms(self) -> float:
        """Busy milliseconds per item; 0 before the first item."""
        return 1000 * self.busy_seconds / self.items if self.items else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The fields and the mean, for JSON."""
        return {**asdict(self), "mean_ms": self.mean_ms}

    def cells(self) -> tuple[str, ...]:
        """The row of this stage in `Statistics.table`, without its queue."""
        seconds = (self.busy_seconds, self.waiting_in_seconds, self.waiting_out_seconds)
        return (self.name, str(self.items), f"{self.mean_ms:.2f}", *(f"{value:.2f}" for value in seconds))


@dataclass
class QueueStatistics:
    """How full one queue was each time an item was put, counting that item.

    Attributes:
        capacity: number of items that it can hold.
        peak: largest number of items.
        entered: items that were put.
        depth_sum: sum of the numbers of items.
    """

    capacity: int
    peak: int = 0
    entered: int = 0
    depth_sum: int = 0

    @property
    def mean_depth(self) -> float:
        """Mean number of items; if it is near the capacity, the stage after the queue is the bottleneck."""
        return self.depth_sum / self.entered if self.entered else 0.0

    def count(self, depth: int) -> None:
        """Count an item that was put into the queue, which then holds `depth` items."""
        self.entered += 1
        self.depth_sum += depth
        self.peak = max(self.peak, depth)

    def as_dict(self) -> dict[str, Any]:
        """Capacity, peak and mean, for JSON."""
        return {"capacity": self.capacity, "peak": self.peak, "mean_depth": self.mean_depth}

    def cell(self) -> str:
        """The queue's cell in `Statistics.table`."""
        return f"{self.mean_depth:.1f}, {self.peak} of {self.capacity}"


@dataclass
class Statistics:
    """The statistics of a run, up to date while it runs.

    Attributes:
        stages: the source, then every stage in order.
        queues: the queue behind the source, then the one behind each stage that has one.
        stopped: whether `stop` or `abort` ended the run early.
        abandoned_source: whether the source was still blocked in a read when the run ended. Its thread goes on, and
            what it reads from must not be closed.
        started: `time.perf_counter` at the start; None before.
        ended: the same at the end; None before.
    """

    stages: list[StageStatistics]
    queues: list[QueueStatistics]
    stopped: bool = False
    abandoned_source: bool = False
    started: float | None = None
    ended: float | None = None

    @property
    def items(self) -> int:
        """Items that the last stage has finished."""
        return self.stages[-1].items

    @property
    def wall_seconds(self) -> float:
        """Seconds from the start to the end, or until now."""
        if self.started is None:
            return 0.0
        return (perf_counter() if self.ended is None else self.ended) - self.started

    @property
    def items_per_second(self) -> float:
        """Items per wall second."""
        return self.items / self.wall_seconds if self.wall_seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """All figures as plain numbers, strings, lists and dictionaries, for JSON."""
        return {
            "items": self.items,
            "wall_seconds": self.wall_seconds,
            "items_per_second": self.items_per_second,
            "stopped": self.stopped,
            "abandoned_source": self.abandoned_source,
            "stages": [stage.as_dict() for stage in self.stages],
            "queues": [queue.as_dict() for queue in self.queues],
        }

    def table(self) -> str:
        """All figures as plain text: a header, a row per stage, and a line with the totals."""
        rows: list[tuple[str, ...]] = [HEADER]
        for stage, queue in zip_longest(self.stages, self.queues):
            rows.append((*stage.cells(), queue.cell() if queue else ""))
        return "\n".join([*_aligned(rows), self._summary()])

    def _summary(self) -> str:
        totals = f"{self.items} items in {self.wall_seconds:.2f} s, {self.items_per_second:.1f} per second"
        return f"{totals}, stopped" if self.stopped else totals


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_aligned_row(row, widths) for row in rows]


def _aligned_row(row: tuple[str, ...], widths: list[int]) -> str:
    name, *figures = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([name, *figures]).rstrip()
