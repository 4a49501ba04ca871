"""FairLock: first come, first served."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from streamseg.runtime import FairLock


def wait_until(condition, what):
    done = Event()
    for _ in range(2000):
        if condition():
            return
        done.wait(0.005)
    pytest.fail(what)


def test_waiting_threads_get_the_lock_in_the_order_of_their_requests():
    lock, order = FairLock(), []

    def acquire(name):
        with lock:
            order.append(name)

    threads = [Thread(target=acquire, args=(name,)) for name in range(6)]
    with lock:
        for count, thread in enumerate(threads, start=1):
            thread.start()
            wait_until(lambda count=count: len(lock._waiting) == count, "the thread does not wait for the lock")
    for thread in threads:
        thread.join(timeout=30)
    assert order == list(range(6))


def test_a_thread_that_requests_it_again_does_not_overtake():
    lock, order = FairLock(), []

    def other():
        with lock:
            order.append("other")

    thread = Thread(target=other)
    with lock:
        thread.start()
        wait_until(lambda: lock._waiting, "the other thread does not wait for the lock")
    with lock:
        order.append("again")
    thread.join(timeout=30)
    assert order == ["other", "again"]


def test_an_exception_releases_the_lock():
    lock = FairLock()
    with pytest.raises(ValueError, match="inside"), lock:
        raise ValueError("inside")
    with lock:
        pass
