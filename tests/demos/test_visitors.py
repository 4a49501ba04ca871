"""What is kept of visitors, tested without a browser."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from threading import Event

import pytest

if not (find_spec("gradio") and find_spec("aiortc")):
    pytest.skip("Gradio and aiortc are not installed", allow_module_level=True)

from streamseg.demos.admission import Admission
from streamseg.demos.visitors import Visitors

from streamseg.errors import InputError


class BrokenConnection:
    """A connection that fails when it is closed."""

    async def close(self):
        raise OSError("the network is gone")


def test_a_failing_connection_leaves_no_files_and_no_slot(tmp_path):
    admission = Admission(1)
    visitors = Visitors(tmp_path, None, admission)
    visitor = visitors.for_session("a page")
    assert admission.request(visitor.live_id) == 0
    assert admission.hold(visitor.live_id)
    visitor.peer = BrokenConnection()
    # In a thread of its own: after the tests with a browser, this one has a running event loop already.
    with ThreadPoolExecutor(1) as thread, pytest.raises(OSError, match="the network is gone"):
        thread.submit(asyncio.run, visitors.close("a page")).result()
    assert list(tmp_path.iterdir()) == []
    assert admission.request(visitors.for_session("the next").live_id) == 0


def test_late_requests_of_a_closed_page_create_no_visitor(tmp_path):
    visitors = Visitors(tmp_path, None, Admission(1))
    visitors.for_session("a page")
    with ThreadPoolExecutor(1) as thread:
        for page in ("a page", "one that was closed while it loaded"):
            thread.submit(asyncio.run, visitors.close(page)).result()
            with pytest.raises(InputError, match="reload the page"):
                visitors.for_session(page)
    assert list(tmp_path.iterdir()) == []


def test_the_server_ends_when_clips_have_ended(tmp_path):
    """A thread that is in a network when the process exits would abort it."""

    class Job:
        def __init__(self):
            self.stopped = Event()

        def stop(self):
            self.stopped.set()

    visitors = Visitors(tmp_path, None, Admission(1))
    visitor = visitors.for_session("a page")
    visitor.job = Job()
    visitor.idle.clear()
    with ThreadPoolExecutor(1) as thread:
        stopping = thread.submit(visitors.stop)
        assert visitor.job.stopped.wait(20)
        with pytest.raises(TimeoutError):
            stopping.result(0.05)
        visitor.idle.set()
        stopping.result(20)
    assert list(tmp_path.iterdir()) == []
