"""BoundedQueue: order, capacity, end and cancellation."""

from __future__ import annotations

import gc
import weakref
from queue import Empty
from threading import Event, Thread
from typing import Any

import pytest

from streamseg.runtime import BoundedQueue, Cancelled, End

LIMIT = 10.0


class Waiting:
    """A call in a thread of its own that is expected to wait."""

    def __init__(self, call: Any, *args: Any) -> None:
        self.result: Any = None
        self._done = Event()
        self._call = call
        self._args = args
        Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self.result = self._call(*self._args)
        except Cancelled as cancelled:
            self.result = cancelled
        self._done.set()

    def waits(self) -> bool:
        return not self._done.wait(0.05)

    def returned(self) -> Any:
        assert self._done.wait(LIMIT)
        return self.result


def full(capacity: int = 1) -> BoundedQueue[Any]:
    queue: BoundedQueue[Any] = BoundedQueue(capacity)
    for number in range(capacity):
        queue.put(number)
    return queue


def test_items_come_out_in_order() -> None:
    queue = full(3)
    assert [queue.get(1), queue.get(1), queue.get(1)] == [0, 1, 2]


@pytest.mark.parametrize("capacity", [0, -1])
def test_capacity_is_at_least_one(capacity: int) -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        BoundedQueue(capacity)


def test_put_waits_for_a_free_slot() -> None:
    queue = full(2)
    waiting = Waiting(queue.put, 2)
    assert waiting.waits()
    assert queue.get(1) == 0
    waiting.returned()
    assert [queue.get(1), queue.get(1)] == [1, 2]


def test_get_waits_for_an_item() -> None:
    queue: BoundedQueue[str] = BoundedQueue(1)
    waiting = Waiting(queue.get)
    assert waiting.waits()
    queue.put("item")
    assert waiting.returned() == "item"


def test_get_raises_after_its_timeout() -> None:
    with pytest.raises(Empty):
        BoundedQueue[int](1).get(timeout=0.01)


def test_end_follows_the_items_and_has_the_failure() -> None:
    queue, failure = full(2), ValueError("why")
    queue.end(failure)
    assert [queue.get(1), queue.get(1), queue.get(1)] == [0, 1, End(failure)]


def test_first_end_counts() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.end()
    queue.end(ValueError("late"))
    assert queue.get(1) == End()


def test_end_needs_no_free_slot_and_wakes_a_waiting_get() -> None:
    full(1).end()
    queue: BoundedQueue[int] = BoundedQueue(1)
    waiting = Waiting(queue.get)
    queue.end()
    assert waiting.returned() == End()


@pytest.mark.parametrize("close", [BoundedQueue.end, BoundedQueue.cancel])
def test_a_closed_queue_rejects_items(close: Any) -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    close(queue)
    assert queue.closed
    for _ in range(3):
        with pytest.raises(Cancelled):
            queue.put(1)


@pytest.mark.parametrize("close", [BoundedQueue.end, BoundedQueue.cancel])
def test_closing_wakes_a_waiting_put(close: Any) -> None:
    queue = full(1)
    waiting = Waiting(queue.put, 1)
    assert waiting.waits()
    close(queue)
    assert isinstance(waiting.returned(), Cancelled)


def test_cancel_wakes_a_waiting_get() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    waiting = Waiting(queue.get)
    assert waiting.waits()
    queue.cancel()
    assert waiting.returned() == End()


def test_cancel_drops_items_and_failures() -> None:
    queue = full(2)
    queue.end(ValueError("dropped"))
    queue.cancel()
    queue.cancel()
    assert queue.get(1) == End()


def test_cancel_frees_the_items() -> None:
    queue: BoundedQueue[Any] = BoundedQueue(1)
    item = Event()
    alive = weakref.ref(item)
    queue.put(item)
    del item
    queue.cancel()
    gc.collect()
    assert alive() is None


def test_an_item_put_while_the_queue_is_cancelled_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    entering, go = Event(), Event()
    monkeypatch.setattr(queue.statistics, "count", lambda depth: (entering.set(), go.wait(LIMIT)))
    putting, end = Waiting(queue.put, 1), queue.end
    assert entering.wait(LIMIT)

    def end_after_the_put() -> None:
        go.set()
        putting.returned()
        end()

    monkeypatch.setattr(queue, "end", end_after_the_put)
    queue.cancel()
    assert queue.get(1) == End()


def test_depth_is_counted_when_items_are_put() -> None:
    queue = full(3)
    queue.get(1)
    queue.get(1)
    queue.put(3)
    assert (queue.statistics.peak, queue.statistics.entered) == (3, 4)
    assert queue.statistics.mean_depth == (1 + 2 + 3 + 2) / 4
