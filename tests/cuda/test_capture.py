"""Captures of CUDA graphs beside other work on the GPU; a stand-in takes the place of torch's graphs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from stand_in_graphs import CapturingPlatform, GraphGPU, GraphStream  # noqa: E402

from streamseg.device.cuda import device as device_module  # noqa: E402
from streamseg.device.cuda.capture import GraphCapture  # noqa: E402
from streamseg.device.cuda.device import CUDADevice  # noqa: E402
from streamseg.errors import DeviceError, OptionError  # noqa: E402

CPU = torch.device("cpu")
SECONDS = 20


@pytest.fixture
def gpu(monkeypatch):
    return GraphGPU(monkeypatch)


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def own_work(gpu, while_captured=lambda: None):
    """Work of one kernel; ``while_captured`` is called in the middle of its capture."""

    def work():
        gpu.current.queue("own")
        if gpu.capturing:
            while_captured()

    return work


def beside_foreign_work(gpu, threads, compute, private):
    """What a capture has recorded while another thread went on working on ``compute``."""

    def foreign():
        with gpu.stream(compute):
            gpu.current.queue("foreign")

    work = own_work(gpu, lambda: threads.submit(foreign).result(SECONDS))
    return GraphCapture(CPU, private)(work, compute)()


def test_work_of_other_threads_is_not_recorded(gpu, threads):
    compute, private = GraphStream(1), GraphStream(2)
    assert beside_foreign_work(gpu, threads, compute, private) == ["own"]
    assert compute.done == ["foreign"]
    assert private.done == ["wait for 1", "own", "own", "own"]  # after what was queued before it; then the warm-up


def test_on_the_stream_that_others_use_it_would_be(gpu, threads):
    """The stand-in notices."""
    compute = GraphStream(1)
    assert beside_foreign_work(gpu, threads, compute, private=compute) == ["own", "foreign"]


def test_captures_of_two_threads_take_turns(gpu, threads):
    """The second asks while the first is in the middle of its capture; each has a platform of its own."""
    asked, others = threading.Event(), []
    second = GraphCapture(CPU, GraphStream(4))

    def ask():
        asked.set()
        return second(own_work(gpu), GraphStream(3))()

    def while_captured():
        others.append(threads.submit(ask))
        assert asked.wait(SECONDS)

    assert GraphCapture(CPU, GraphStream(2))(own_work(gpu, while_captured), GraphStream(1))() == ["own"]
    assert others[0].result(SECONDS) == ["own"]


def test_at_the_same_time_they_would_fail(gpu, threads):
    """The stand-in notices."""
    second = GraphCapture(CPU, GraphStream(4))

    def while_captured():
        with pytest.raises(torch.AcceleratorError, match="not permitted"):
            threads.submit(second._capture, own_work(gpu), GraphStream(3)).result(SECONDS)

    GraphCapture(CPU, GraphStream(2))(own_work(gpu, while_captured), GraphStream(1))


def test_one_thread_captures_everything(gpu, threads):
    """So that cuDNN's methods, which torch remembers by thread, are looked for once."""
    seen = []

    def work():
        seen.append(threading.get_ident())

    for number in range(2):
        capture = GraphCapture(CPU, GraphStream(2 + number))
        threads.submit(capture, work, GraphStream(1)).result(SECONDS)
    capture(work, GraphStream(1))
    assert len(seen) == 12 and len(set(seen)) == 1 and seen[0] != threading.get_ident()


def test_graphs_for_one_stream_share_their_memory(gpu):
    capture, first, second = GraphCapture(CPU, GraphStream()), GraphStream(1), GraphStream(2)
    for stream in (first, first, second, first):
        capture(own_work(gpu), stream)
    one, two, other, three = (graph.pool for graph in gpu.graphs)
    assert one is two is three is not other


def test_a_capture_that_fails_leaves_the_next_one_alone(gpu):
    capture, stream = GraphCapture(CPU, GraphStream()), GraphStream(1)
    with pytest.raises(DeviceError, match="capturing a graph"):
        capture(own_work(gpu, lambda: gpu.current.synchronize()), stream)
    assert capture(own_work(gpu), stream)() == ["own"]


@pytest.fixture
def opened(gpu, host, monkeypatch):
    """A device whose captures can be counted."""
    monkeypatch.setattr(device_module, "FusedNetwork", lambda *_, **__: lambda x: torch.sigmoid(x.mean(1)))
    return CUDADevice(platform=CapturingPlatform(host.library), sizes=[64, 96])


def test_streams_of_a_device_share_its_graphs(gpu, opened):
    assert len(gpu.graphs) == 2  # one for each size
    assert opened.another().captured is opened.captured and len(gpu.graphs) == 2
    four = opened.with_batch(4)
    assert (four.batch, opened.batch) == (4, 1) and four.captured is opened.captured
    assert len(gpu.graphs) == 6  # for 4 and 2 as well
    assert opened.with_batch(4).lock is opened.with_batch(2).lock and len(gpu.graphs) == 6
    assert len({id(graph.pool) for graph in gpu.graphs}) == 1


def test_no_stream_runs_the_network_while_it_is_captured_for_another_batch(gpu, opened, threads):
    """The network's warm-up writes the memory that all of them use."""
    with opened.lock:
        waiting = threads.submit(opened.with_batch, 2)
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        assert len(gpu.graphs) == 2
    waiting.result(SECONDS)
    assert len(gpu.graphs) == 4


@pytest.mark.parametrize("batch", [0, 9])
def test_other_batches_are_refused(opened, batch):
    with pytest.raises(OptionError, match=f"batch {batch}: expected 1 to 8"):
        opened.with_batch(batch)
