"""The runner: the one place that owns threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty
from threading import Lock, Thread
from time import perf_counter
from typing import Any

from streamseg.errors import StageError
from streamseg.runtime.loops import Bypassed, SinkLoop, SourceLoop, StageLoop
from streamseg.runtime.queue import BoundedQueue, End
from streamseg.runtime.stage import Stage, never
from streamseg.runtime.statistics import StageStatistics, Statistics

__all__ = ["Runner"]

GRACE_SECONDS = 1.0  # for a source blocked in its own read, before its thread is left behind

Loop = SourceLoop | SinkLoop


class Runner:
    """Runs a source and its stages once: a thread each, bounded queues between them, the order kept.

    **Failure.** When the source or a stage fails, all items before the failing one still reach the end, in
    order; what comes after it is dropped and the source ends. Then `StageError` is raised, naming the
    stage, with the exception as its cause. Of several failures the one met at the earliest item is raised,
    because it says where the output ends. What is no `Exception` (`SystemExit`, …) is raised as it is.

    **The source** is closed in its own thread if its iterator is a generator; anything else belongs to its
    owner. A source blocked in its own read (a silent pipe, a camera) does not delay the end by more than a
    second: its thread, a daemon, is left behind and `statistics.abandoned_source` says so.

    Attributes:
        statistics: live figures, readable from any thread at any time.
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
            stages: each gets what the one before it returned.
            queue_size: items that wait before each stage, at most.
            source_name: what errors and statistics call the source.
            bypass: asked once about each item of the source, in the source's thread. An item for which it is
                true travels past all stages, untouched, in order but for items that a stage holds back, which it
                may overtake; only the sink of `run` gets it.

        Raises:
            ValueError: if `queue_size` is less than 1.
        """
        self._source = source
        self._stages = tuple(stages)
        self._bypass = bypass
        self._names = [source_name, *(stage.name for stage in stages)]
        # Queue k lies behind the source (0) or stage k (from 1); the last one leads to the caller's thread.
        self._queues: list[BoundedQueue[Any]] = [BoundedQueue(queue_size) for _ in self._names]
        self._once = Lock()
        self.statistics = Statistics(
            [StageStatistics(name) for name in self._names], [queue.statistics for queue in self._queues]
        )

    def run(self, on_tick: Callable[[Statistics], None] | None = None, tick: float = 0.1) -> Statistics:
        """Run to the end, the last stage being the sink: what it returns is dropped.

        Args:
            on_tick: called in the caller's thread about every `tick` seconds, to draw progress.
            tick: seconds, more than 0.

        Raises:
            StageError: if the source or a stage failed.
            RuntimeError: if this runner has run before.
            ValueError: if there is no stage.
            BaseException: whatever arises in the caller's thread, from `on_tick` or as `KeyboardInterrupt`;
                the run is aborted first.
        """
        if not self._stages:
            raise ValueError("run needs a last stage as its sink, got no stages; use stream")
        self._claim()
        self.statistics.queues.pop()  # nothing but the end passes the last queue
        sink = SinkLoop(self._stages[-1].call, self._queues[-2], self.statistics.stages[-1])
        with self._running([*self._loops()[:-1], sink]):
            end = self._wait(on_tick, tick)
        _raise_failure(end)
        return self.statistics

    def stream(self) -> Iterator[Any]:
        """Iterate over what the last stage returns (without stages: over the source), in the caller's thread.

        Threads start with the first item. Closing the iterator early aborts the run; CPython closes it when a
        ``for`` loop that has the only reference is left.

        Raises:
            StageError: by the iterator, after the last good item, if the source or a stage failed.
            RuntimeError: if this runner has run before.
        """
        self._claim()
        return self._results()

    def __iter__(self) -> Iterator[Any]:
        """The same as `stream`."""
        return self.stream()

    def stop(self) -> None:
        """Take no more items from the source; what is in flight goes on to the end, which is a normal one.

        The end comes at once, even if the source is blocked in its own read. An item that the source has
        given but no queue has taken yet is dropped, and so is a failure of the source from now on. May be
        called at any time, any number of times, from any thread or signal handler. Does nothing once the
        source has ended.
        """
        first = self._queues[0]
        if not first.closed:
            self.statistics.stopped = True
            first.end()

    def abort(self) -> None:
        """Drop what is in flight, failures included, and end as soon as each running call returns.

        May be called when and where `stop` may.
        """
        if self.statistics.ended is None:
            self.statistics.stopped = True
        for queue in self._queues:
            queue.cancel()

    def _claim(self) -> None:
        if not self._once.acquire(blocking=False):
            raise RuntimeError("a Runner runs once; make a new one")

    def _loops(self) -> list[Loop]:
        source, *others = self.statistics.stages
        loops: list[Loop] = [SourceLoop(self._source, self._queues[0], source, self._bypass)]
        for place, (stage, statistics) in enumerate(zip(self._stages, others, strict=True)):
            queues = self._queues[place : place + 2]
            loops.append(StageLoop(stage.call, queues[0], statistics, queues[1], stage.finish))
        return loops

    @contextmanager
    def _running(self, loops: Sequence[Loop]) -> Iterator[None]:
        threads = [
            Thread(target=self._work, args=(place, loop), name=f"streamseg {name}", daemon=True)
            for place, (name, loop) in enumerate(zip(self._names, loops, strict=True))
        ]
        self.statistics.started = perf_counter()
        try:
            for thread in threads:
                thread.start()
            yield
            self._join(*threads)
        except BaseException:
            self.abort()
            self._join(*threads)
            raise

    def _work(self, place: int, loop: Loop) -> None:
        try:
            self._queues[place].end(loop().failure)
        except BaseException as cause:  # Cancelled too: the queue it came from is closed, so it goes unread
            self._fail(place, cause)

    def _fail(self, place: int, cause: BaseException) -> None:
        # All queues before it, since a stage further up may itself wait for a source that gives nothing.
        for queue in self._queues[:place]:
            queue.cancel()
        self._queues[place].end(_failure(self._names[place], cause))

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
