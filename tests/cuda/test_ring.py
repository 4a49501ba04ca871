"""Who owns a buffer when: with events that fire when the test lets them."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.device.cuda.ring import Ring
from streamseg.errors import DeviceError


class Mark:
    """An event that fires when ``fire`` is called; says when somebody waits for it."""

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
    """Runs ``call``; gives what it returned or raised, once joined."""
    results = []

    def run():
        try:
            results.append(call())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def test_slots_go_round_in_the_order_of_their_release():
    ring = Ring("abc")
    assert [ring.acquire() for _ in range(3)] == list("abc")
    for slot in "bca":
        ring.release(slot)
    assert [ring.acquire() for _ in range(3)] == list("bca")


def test_no_slot_is_given_out_before_its_event_fired():
    ring, mark = Ring(["only"]), Mark()
    ring.release(ring.acquire(), mark)
    thread, results = in_thread(ring.acquire)
    assert mark.waited.wait(10)
    assert not results
    mark.fire()
    thread.join(10)
    assert results == ["only"]


def test_a_free_slot_needs_nobody_elses_event():
    ring, mark = Ring("ab"), Mark()
    ring.release(ring.acquire(), mark)
    assert ring.acquire() == "b"
    assert not mark.waited.is_set()
    mark.fire()
    assert ring.acquire() == "a"


def test_whoever_asks_while_all_are_held_waits_for_a_release():
    ring = Ring("ab")
    held = [ring.acquire(), ring.acquire()]
    thread, results = in_thread(ring.acquire)
    thread.join(0.05)
    assert thread.is_alive() and not results
    ring.release(held[1])
    thread.join(10)
    assert results == ["b"]


def test_a_failure_gives_the_slot_back_behind_the_work_queued_so_far():
    ring, mark = Ring(["only"]), Mark()
    with pytest.raises(ZeroDivisionError), ring.borrowed(lambda: mark):
        raise ZeroDivisionError
    thread, results = in_thread(ring.acquire)
    assert mark.waited.wait(10) and not results
    mark.fire()
    thread.join(10)
    assert results == ["only"]


def test_closing_wakes_whoever_waits():
    ring = Ring(["only"])
    ring.acquire()
    thread, results = in_thread(ring.acquire)
    ring.close()
    thread.join(10)
    assert isinstance(results[0], DeviceError)
    with pytest.raises(DeviceError, match="closed"):
        ring.acquire()


def test_a_slot_that_nobody_holds_cannot_be_released():
    ring = Ring("ab")
    with pytest.raises(ValueError, match="nobody holds"):
        ring.release("a")
