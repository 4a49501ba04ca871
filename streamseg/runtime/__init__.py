"""Threads and what connects them: stages, queues, and a runner that owns the threads of a pipeline.

stage.py        Stage: a name and a callable
runner.py       Runner: runs a source and stages in threads
loops.py        what each of these threads does
queue.py        BoundedQueue: between two threads, with an end
mailbox.py      Mailbox: keeps the newest items and drops older ones
pump.py         Pump: a thread that passes on the items of an iterable
fair_lock.py    FairLock: granted in the order of the requests
interrupts.py   Ctrl-C at moments when it would do harm
cores.py        how many cores this process may use
available.py    how much memory it may still take
fork.py         what happens to threads and their objects in forked children
statistics.py   time per stage, fill of the queues
memory.py       memory that is free goes back to the system
meters.py       rates and latencies of endless streams, in constant memory
"""

from streamseg.runtime.cores import usable_cores
from streamseg.runtime.fair_lock import FairLock
from streamseg.runtime.fork import SameProcess, forget_in_children, never_destroy
from streamseg.runtime.mailbox import Mailbox
from streamseg.runtime.meters import LatencyHistogram, Rate
from streamseg.runtime.pump import Pump
from streamseg.runtime.queue import BoundedQueue, Cancelled, End
from streamseg.runtime.runner import Runner
from streamseg.runtime.stage import Stage, never
from streamseg.runtime.statistics import QueueStatistics, StageStatistics, Statistics

__all__ = [
    "BoundedQueue",
    "Cancelled",
    "End",
    "FairLock",
    "LatencyHistogram",
    "Mailbox",
    "Pump",
    "QueueStatistics",
    "Rate",
    "Runner",
    "SameProcess",
    "Stage",
    "StageStatistics",
    "Statistics",
    "forget_in_children",
    "never",
    "never_destroy",
    "usable_cores",
]
