"""The runner: owns the threads of a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty
from threading import Lock, Thread
from time import perf_counter
from typing import Any

from streamseg.errors import StageError
from streamseg.runtime.interrupts import later_interrupts
from streamseg.runtime.loops import Bypassed, SinkLoop, SourceLoop, StageLoop
from streamseg.runtime.queue import BoundedQueue, End
from streamseg.runtime.stage import Stage, never
from streamseg.runtime.statistics import StageStatistics, Statistics

__all__ = ["Runner"]

GRACE_SECONDS = 1.0  # for a source that is blocked in a read, before its thread is abandoned

Loop = SourceLoop | SinkLoop


class Runner:
    """Runs a source and stages once, each in a thread of its own, with bounded queues between them, in order.

    **Failures.** When the source or a stage raises, all earlier items still reach the sink, in order; later items are
    dropped and the source is ended. Then `StageError` is raised, which names the stage, with the exception as its
    cause. Of several failures, the one at the earliest item is raised, because the output ends there. What is no
    `Exception` (`SystemExit`, …) is raised unchanged.

    **The source** is closed in its own thread if its iterator is a generator; other sources have to be closed by their
    owner. A source that is blocked in a read (a silent pipe, a camera) delays the end by one second at most: then its
    thread, a daemon, is abandoned and `statistics.abandoned_source` is True.

    Attributes:
        statistics: live statistics; any thread may read them at any time.
    """

    def __init__(
        self,
        source: Iterable[Any],
        stages: Sequence[Stage[Any, Any]],
        *,
        queue_size: int = 2,
        source_name: str = "source",
        bypass: Callable[[object], bool] = never,
    ) -> None:
        """Prepare a run; nothing is read from `source` yet.

        Args:
            source: iterated once, in its own thread.
            stages: each is called with the results of the one before it.
            queue_size: capacity of the queue before each stage.
            source_name: name of the source in errors and statistics.
            bypass: called once with each item of the source, in the source's thread. Items for which it is true bypass
                all stages except the sink of `run`. They stay in order, but may overtake items that a stage holds back.

        Raises:
            ValueError: `queue_size` is less than 1.
        """
        self._source = source
        self._stages = tuple(stages)
        self._bypass = bypass
        self._names = [source_name, *(stage.name for stage in stages)]
        # Queue 0 is behind the source, queue k behind stage k (from 1); the last one leads to the caller's thread.
        self._queues: list[BoundedQueue[Any]] = [BoundedQueue(queue_size) for _ in self._names]
        self._once = Lock()
        self.statistics = Statistics(
            [StageStatistics(name) for name in self._names], [queue.statistics for queue in self._queues]
        )

    def run(self, on_tick: Callable[[Statistics], None] | None = None, tick: float = 0.1) -> Statistics:
        """Run to the end. The last stage is the sink; its results are dropped.

        Args:
            on_tick: called in the caller's thread about every `tick` seconds, for a progress display.
            tick: seconds, more than 0.

        Raises:
            StageError: the source or a stage failed.
            RuntimeError: this runner has run before.
            ValueError: there is no stage.
            BaseException: any exception in the caller's thread, such as from `on_tick` or KeyboardInterrupt; the run
                is aborted first.
        """
        if not self._stages:
            raise ValueError("run needs a last stage as its sink: got no stages; use stream")
        self._claim()
        self.statistics.queues.pop()  # only the end passes through the last queue
        sink = SinkLoop(self._stages[-1].call, self._queues[-2], self.statistics.stages[-1])
        with self._running([*self._loops()[:-1], sink]):
            end = self._wait(on_tick, tick)
        _raise_failure(end)
        return self.statistics

    def stream(self) -> Iterator[Any]:
        """Iterate over the results of the last stage (without stages: over the source), in the caller's thread.

        Threads start with the first item. Closing the iterator early aborts the run; CPython closes it on leaving a
        ``for`` loop that has the only reference.

        Raises:
            StageError: (by the iterator, after the last good item) the source or a stage failed.
            RuntimeError: this runner has run before.
        """
        self._claim()
        return self._results()

    def __iter__(self) -> Iterator[Any]:
        """The same as `stream`."""
        return self.stream()

    def stop(self) -> None:
        """Read no more items from the source; items in flight are still processed, and the run ends normally.

        It does not wait for a source that is blocked in a read. An item that the source has returned but that is not in
        a queue yet is dropped, and so are later failures of the source. May be called at any time, any number of times,
        from any thread or signal handler. Does nothing once the source has ended.
        """
        first = self._queues[0]
        if not first.closed:
            self.statistics.stopped = True
            first.end()

    def abort(self) -> None:
        """Drop all items in flight and their failures; the run ends when the stages' running calls return.

        May be called whenever `stop` may.
        """
        if self.statistics.ended is None:
            self.statistics.stopped = True
        for queue in self._queues:
            queue.cancel()

    def _claim(self) -> None:
        if not self._once.acquire(blocking=False):
            raise RuntimeError("a Runner runs only once: create a new one")

    def _loops(self) -> list[Loop]:
        source, *others = self.statistics.stages
        loops: list[Loop] = [SourceLoop(self._source, self._queues[0], source, self._bypass)]
        for index, (stage, statistics) in enumerate(zip(self._stages, others, strict=True)):
            queues = self._queues[index : index + 2]
            loops.append(StageLoop(stage.call, queues[0], statistics, queues[1], stage.finish))
        return loops

    @contextmanager
    def _running(self, loops: Sequence[Loop]) -> Iterator[None]:
        threads = [
            Thread(target=self._work, args=(index, loop), name=f"streamseg {name}", daemon=True)
            for index, (name, loop) in enumerate(zip(self._names, loops, strict=True))
        ]
        self.statistics.started = perf_counter()
        try:
            with later_interrupts():  # one within start would leave a thread that nobody waits for
                for thread in threads:
                    thread.start()
            yield
            self._join(*threads)
        except BaseException:
            self.abort()
            self._join(*threads)
            raise

    def _work(self, index: int, loop: Loop) -> None:
        try:
            self._queues[index].end(loop().failure)
        except BaseException as cause:  # Cancelled too: its queue is closed, so that end is ignored
            self._fail(index, cause)

    def _fail(self, index: int, cause: BaseException) -> None:
        # Cancel all queues before it: an earlier stage may be waiting for a silent source.
        for queue in self._queues[:index]:
            queue.cancel()
        self._queues[index].end(_failure(self._names[index], cause))

    def _join(self, source: Thread, *others: Thread) -> None:
        for thread in others:
            if thread.is_alive():
                thread.join()
        self.statistics.ended = perf_counter()
        if source.is_alive():
            source.join(GRACE_SECONDS)
        self.statistics.abandoned_source = source.is_alive()

    def _wait(self, on_tick: Callable[[Statistics], None] | None, tick: float) -> End:
        while True:
            try:
                end: End = self._queues[-1].get(timeout=tick)
                return end
            except Empty:
                if on_tick is not None:
                    on_tick(self.statistics)

    def _results(self) -> Iterator[Any]:
        with self._running(self._loops()):
            while not isinstance(item := self._queues[-1].get(), End):
                yield item.item if isinstance(item, Bypassed) else item
        _raise_failure(item)


def _failure(name: str, cause: BaseException) -> BaseException:
    if not isinstance(cause, Exception):
        return cause
    error = StageError(name, cause)
    error.__cause__ = cause
    return error


def _raise_failure(end: End) -> None:
    if end.failure is not None:
        raise end.failure
