"""Stages, the bounded queues between them, and the runner that owns the threads."""

from streamseg.runtime.mailbox import Mailbox
from streamseg.runtime.meters import Delays, Rate
from streamseg.runtime.pump import Pump
from streamseg.runtime.queue import BoundedQueue, Cancelled, End
from streamseg.runtime.runner import Runner
from streamseg.runtime.stage import Stage, never
from streamseg.runtime.statistics import QueueStatistics, StageStatistics, Statistics
from streamseg.runtime.turns import Turns

__all__ = [
    "BoundedQueue",
    "Cancelled",
    "Delays",
    "End",
    "Mailbox",
    "Pump",
    "QueueStatistics",
    "Rate",
    "Runner",
    "Stage",
    "StageStatistics",
    "Statistics",
    "Turns",
    "never",
]
