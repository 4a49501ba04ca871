"""Which side owns a buffer when: with events that fire when the test lets them."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.device.cuda.buffers.ring import Ring
from streamseg.errors import DeviceError


class ManualEvent:
    """An event that fires when ``fire`` is called; ``waited`` is set when somebody waits for it."""

    def __init__(self) -> None:
        self._fired, self.waited = threading.Event(), threading.Event()

    def fire(self) -> None:
        self._fired.set()

    def query(self) -> bool:
        return self._fired.is_set()

    def synchronize(self) -> None:
        self.waited.set()
        assert self._fired.wait(10)


def in_thread(call):
    """Run ``call`` in a thread; returns it and a list that gets what was returned or raised."""
    results = []

    def run():
        try:
            results.append(call())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def test_slots_are_reused_in_the_order_of_their_release():
    ring = Ring("abc")
    assert [ring.acquire() for _ in range(3)] == list("abc")
    for slot in "bca":
        ring.release(slot)
    assert [ring.acquire() for _ in range(3)] == list("bca")


def test_no_slot_is_acquired_before_its_event_has_fired():
    ring, event = Ring(["only"]), ManualEvent()
    ring.release(ring.acquire(), event)
    thread, results = in_thread(ring.acquire)
    assert event.waited.wait(10)
    assert not results
    event.fire()
    thread.join(10)
    assert results == ["only"]


def test_a_free_slot_does_not_wait_for_another_slots_event():
    ring, event = Ring("ab"), ManualEvent()
    ring.release(ring.acquire(), event)
    assert ring.acquire() == "b"
    assert not event.waited.is_set()
    event.fire()
    assert ring.acquire() == "a"


def test_acquire_waits_for_a_release_while_all_slots_are_held():
    ring = Ring("ab")
    held = [ring.acquire(), ring.acquire()]
    thread, results = in_thread(ring.acquire)
    thread.join(0.05)
    assert thread.is_alive() and not results
    ring.release(held[1])
    thread.join(10)
    assert results == ["b"]


def test_a_failure_releases_the_slot_after_the_work_queued_so_far():
    ring, event = Ring(["only"]), ManualEvent()
    with pytest.raises(ZeroDivisionError), ring.borrowed(lambda: event):
        raise ZeroDivisionError
    thread, results = in_thread(ring.acquire)
    assert event.waited.wait(10) and not results
    event.fire()
    thread.join(10)
    assert results == ["only"]


def test_closing_wakes_a_waiting_thread():
    ring = Ring(["only"])
    ring.acquire()
    thread, results = in_thread(ring.acquire)
    ring.close()
    thread.join(10)
    assert isinstance(results[0], DeviceError)
    with pytest.raises(DeviceError, match="closed"):
        ring.acquire()


def test_a_slot_that_is_not_held_cannot_be_released():
    ring = Ring("ab")
    with pytest.raises(ValueError, match="not held"):
        ring.release("a")
