"""The loops that run in the threads of a runner: one for the source, one for each stage, one for the sink.

A loop returns the end to be put into the queue behind it. Exceptions of the source or the stage are raised through it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from streamseg.runtime.queue import BoundedQueue, Cancelled, End
from streamseg.runtime.statistics import StageStatistics

__all__ = ["Bypassed", "SinkLoop", "SourceLoop", "StageLoop"]

EXHAUSTED = object()


@dataclass(frozen=True, slots=True)
class Bypassed:
    """An item that bypasses the stages."""

    item: object


@dataclass(frozen=True)
class SourceLoop:
    """Reads items from `source` and puts them into `target`."""

    source: Iterable[Any]
    target: BoundedQueue[Any]
    statistics: StageStatistics
    bypass: Callable[[object], bool]

    def __call__(self) -> End:
        """Run until the source is exhausted or the target is closed.

        Raises:
            Cancelled: the target was closed while an item waited for a free slot.
        """
        iterator = iter(self.source)
        try:
            while not self.target.closed and self._step(iterator):
                pass
        finally:
            if isinstance(iterator, Generator):
                iterator.close()
        return End()

    def _step(self, iterator: Iterator[Any]) -> bool:
        start = perf_counter()
        item = next(iterator, EXHAUSTED)
        self.statistics.busy_seconds += perf_counter() - start
        if item is EXHAUSTED:
            return False
        self._put(item)
        return True

    def _put(self, item: object) -> None:
        bypassed = self.bypass(item)
        start = perf_counter()
        self.target.put(Bypassed(item) if bypassed else item)
        self.statistics.waiting_out_seconds += perf_counter() - start
        self.statistics.items += not bypassed


@dataclass(frozen=True)
class SinkLoop:
    """Gets items from `source` and calls the last stage with each, bypassed items included."""

    call: Callable[[Any], Any]
    source: BoundedQueue[Any]
    statistics: StageStatistics

    def __call__(self) -> End:
        """Run until the source ends."""
        while (end := self._step()) is None:
            pass
        return end

    def _step(self) -> End | None:
        item = self._get()
        if isinstance(item, End):
            return item
        self._handle(item)
        return None

    def _get(self) -> Any:
        start = perf_counter()
        item = self.source.get()
        self.statistics.waiting_in_seconds += perf_counter() - start
        return item

    def _handle(self, item: Any) -> None:
        if isinstance(item, Bypassed):
            self.call(item.item)
        else:
            self._call(item)

    def _call(self, item: Any) -> Any:
        start = perf_counter()
        result = self.call(item)
        self.statistics.busy_seconds += perf_counter() - start
        self.statistics.items += 1
        return result


@dataclass(frozen=True)
class StageLoop(SinkLoop):
    """Gets items from `source`, calls a stage with each and puts the results into `target`.

    Raises:
        Cancelled: (when called) the target was closed.
    """

    target: BoundedQueue[Any]
    finish: Callable[[], Iterable[Any]] | None = None

    def __call__(self) -> End:
        """Run until the source ends, then pass on the items that the stage still holds."""
        try:
            end = super().__call__()
        except Cancelled:
            raise
        except Exception:
            self._flush()
            raise
        self._flush()
        return end

    def _flush(self) -> None:
        """Pass on the items that the stage holds; after a failure too, because they precede the item that failed."""
        if self.finish is not None:
            start = perf_counter()
            held = list(self.finish())
            self.statistics.busy_seconds += perf_counter() - start
            self._put(held)

    def _handle(self, item: Any) -> None:
        if isinstance(item, Bypassed):
            self._put((item,))
        else:
            result = self._call(item)
            self._put((result,) if self.finish is None else result)

    def _put(self, results: Iterable[Any]) -> None:
        for result in results:
            start = perf_counter()
            self.target.put(result)
            self.statistics.waiting_out_seconds += perf_counter() - start
