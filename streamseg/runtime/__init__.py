"""Stages, the bounded queues between them, and the runner that owns the threads."""

from streamseg.runtime.queue import BoundedQueue, Cancelled, End
from streamseg.runtime.runner import Runner
from streamseg.runtime.stage import Stage, never
from streamseg.runtime.statistics import QueueStatistics, StageStatistics, Statistics

__all__ = [
    "BoundedQueue",
    "Cancelled",
    "End",
    "QueueStatistics",
    "Runner",
    "Stage",
    "StageStatistics",
    "Statistics",
    "never",
]
