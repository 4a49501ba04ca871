"""Mailbox: keeps the newest items; putting never waits."""

from __future__ import annotations

from queue import Empty
from threading import Thread

import pytest

from streamseg.runtime import End, Mailbox


def test_the_newest_item_replaces_one_that_was_not_fetched():
    box = Mailbox()
    for item in range(5):
        box.put(item)
    assert box.get() == 4
    assert (box.arrived, box.dropped) == (5, 4)
    with pytest.raises(Empty):
        box.get(timeout=0)


def test_with_more_slots_the_oldest_item_is_replaced():
    box = Mailbox(slots=3)
    for item in range(5):
        box.put(item)
    assert [box.get(), box.get(), box.get()] == [2, 3, 4]
    assert (box.arrived, box.dropped) == (5, 2)


def test_none_is_an_item_like_any_other():
    box = Mailbox()
    box.put(None)
    assert box.get(timeout=0) is None


def test_the_end_follows_the_last_item_and_is_repeated():
    box, failure = Mailbox(), RuntimeError("lost")
    box.put("last")
    box.end(failure)
    box.end()
    box.put("too late")
    assert box.get() == "last"
    assert [box.get(), box.get()] == [End(failure), End(failure)]
    assert box.arrived == 1


@pytest.mark.parametrize("wake", [lambda box: box.put("item"), lambda box: box.end()], ids=["item", "end"])
def test_a_waiting_thread_is_woken(wake):
    box, got = Mailbox(), []
    waiting = Thread(target=lambda: got.append(box.get(timeout=30)))
    waiting.start()
    wake(box)
    waiting.join(timeout=30)
    assert got in (["item"], [End()])
