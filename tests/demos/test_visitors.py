"""What is kept of visitors, without a browser."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("gradio")
pytest.importorskip("aiortc")

from streamseg.demos.places import Places
from streamseg.demos.visitors import Visitors

from streamseg.errors import InputError


class Broken:
    """A connection that cannot even be closed."""

    async def close(self):
        raise OSError("the network is gone")


def test_nothing_stays_of_a_visitor_whose_connection_ends_badly(tmp_path):
    places = Places(1)
    visitors = Visitors(tmp_path, None, places)
    visitor = visitors.of("a page")
    assert places.ask(visitor.live) == 0
    assert places.hold(visitor.live)
    visitor.peer = Broken()
    # In a thread of its own: where the browser's tests ran before, this one has a running loop already.
    with ThreadPoolExecutor(1) as thread, pytest.raises(OSError, match="the network is gone"):
        thread.submit(asyncio.run, visitors.leave("a page")).result()
    assert list(tmp_path.iterdir()) == []
    assert places.ask(visitors.of("the next").live) == 0


def test_what_a_page_asked_for_before_it_was_closed_does_not_bring_it_back(tmp_path):
    visitors = Visitors(tmp_path, None, Places(1))
    visitors.of("a page")
    with ThreadPoolExecutor(1) as thread:
        for page in ("a page", "one that was closed while it loaded"):
            thread.submit(asyncio.run, visitors.leave(page)).result()
            with pytest.raises(InputError, match="reload the page"):
                visitors.of(page)
    assert list(tmp_path.iterdir()) == []
