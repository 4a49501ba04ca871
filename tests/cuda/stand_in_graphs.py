"""A stand-in for torch's streams and CUDA graphs that notices what a GPU would: foreign work on a stream that is
captured is recorded, and a capture or a wait of the host while another capture goes on is an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from host_kernels import HostPlatform

from streamseg.device.cuda.capture import GraphCapture
from streamseg.device.cuda.platform import CUDAPlatform

_PROHIBITED = "CUDA error: operation not permitted when stream is capturing"


class Graph:
    """What was recorded, and from which pool it has its memory."""

    def __init__(self) -> None:
        self.recorded: list[str] = []
        self.pool: object = None

    def replay(self) -> list[str]:
        return list(self.recorded)


class GraphStream:
    """A stream: work on it is done, or recorded while it is captured."""

    def __init__(self, number: int = 0) -> None:
        self.cuda_stream, self.done = number, []
        self.graph: Graph | None = None

    def queue(self, label: str) -> None:
        (self.done if self.graph is None else self.graph.recorded).append(label)

    def wait_stream(self, other: GraphStream) -> None:
        self.queue(f"wait for {other.cuda_stream}")

    def synchronize(self) -> None:
        if self.graph is not None:
            raise torch.AcceleratorError(_PROHIBITED)


class GraphGPU:
    """In the place of torch.cuda.

    Attributes:
        capturing: whether a capture goes on.
        graphs: all that were captured, in order.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._thread = threading.local()
        self.capturing, self.graphs = False, []
        for name in ("stream", "graph", "graph_pool_handle"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)

    @property
    def current(self) -> GraphStream:
        """The stream that this thread's work goes to."""
        stream: GraphStream = self._thread.stream
        return stream

    def graph_pool_handle(self) -> object:
        return object()

    @contextmanager
    def stream(self, stream: GraphStream) -> Iterator[None]:
        before, self._thread.stream = getattr(self._thread, "stream", None), stream
        try:
            yield
        finally:
            self._thread.stream = before

    @contextmanager
    def graph(self, graph: Graph, pool: object, stream: GraphStream, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        if self.capturing:  # a capture begins with a wait for the whole GPU
            raise torch.AcceleratorError(_PROHIBITED)
        self.capturing, stream.graph, graph.pool = True, graph, pool
        self.graphs.append(graph)
        try:
            with self.stream(stream):
                yield
        finally:
            self.capturing, stream.graph = False, None


class CapturingPlatform(HostPlatform):
    """Captures with the code of CUDAPlatform, on a GraphGPU."""

    capture = CUDAPlatform.capture

    def __init__(self, library: Any) -> None:
        super().__init__(library)
        self._capture = GraphCapture(self.device, GraphStream())

    def stream(self) -> GraphStream:
        return GraphStream(1)
