"""What each thread of the runner does, item after item, until the end of the stream.

The source, the stages and the sink have one loop each. A loop returns the end that its stage's queue should
get; what goes wrong in a stage is raised through it.
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
    """An item on its way past the stages."""

    item: object


@dataclass(frozen=True)
class SourceLoop:
    """Takes items from `source` and puts them into `target`."""

    source: Iterable[Any]
    target: BoundedQueue[Any]
    statistics: StageStatistics
    bypass: Callable[[object], bool]

    def __call__(self) -> End:
        """Run until the source is exhausted or the target closed.

        Raises:
            Cancelled: if the target was closed while an item waited for a place in it.
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
    """Takes items from `source` and calls the last stage with each, bypassed ones too."""

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
    """Takes items from `source`, calls a stage with each and puts what it returns into `target`.

    Raises:
        Cancelled: by the call, if the target was closed.
    """

    target: BoundedQueue[Any]
    finish: Callable[[], Iterable[Any]] | None = None

    def __call__(self) -> End:
        """Run until the source ends, and give what the stage holds back."""
        try:
            end = super().__call__()
        except Cancelled:
            raise
        except Exception:
            self._give_held()
            raise
        self._give_held()
        return end

    def _give_held(self) -> None:
        """After a failure of the stage too: what it still holds came before the item that failed."""
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
