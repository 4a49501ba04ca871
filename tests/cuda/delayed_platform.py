"""A platform whose streams do nothing until something waits for them, as on a busy GPU.

On the plain HostPlatform all work is done immediately, in the order in which it is queued, and a missing wait goes
unnoticed. Here each stream is a queue: its work is done when an event after it is waited for, by the host or by the
work of another stream, and not earlier; or immediately, for streams that a test makes ``eager``. A buffer that is
written too early, or read too early, then holds the wrong frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from host_kernels import HostPlatform
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Operations of the stand-in for the network: a graph with these in it is done as one.
_NETWORK = ("aten.mean.dim", "aten.sigmoid.default")
_IN_PLACE = ("aten.copy_.default", "aten.zero_.default", "aten.fill_.Scalar")


class DelayedStream:
    """A stream: its queued work, and how much of it is done."""

    def __init__(self, eager: bool) -> None:
        self.eager, self._work, self._done = eager, [], 0

    def queue(self, work: Callable[[], Any]) -> None:
        self._work.append(work)
        if self.eager:
            self.run(len(self._work))

    def run(self, count: int) -> None:
        """Do the first ``count`` pieces of work, those that are not done yet."""
        while self._done < count:
            work = self._work[self._done]
            self._done += 1
            work()

    def done(self, count: int) -> bool:
        return self._done >= count

    def record(self) -> DelayedEvent:
        return DelayedEvent(self, len(self._work))

    def wait_event(self, event: DelayedEvent) -> None:
        self.queue(event.synchronize)

    def synchronize(self) -> None:
        self.run(len(self._work))


class DelayedEvent:
    """An event after the first ``count`` pieces of work of a stream."""

    def __init__(self, stream: DelayedStream, count: int) -> None:
        self._stream, self._count = stream, count

    def query(self) -> bool:
        return self._stream.done(self._count)

    def synchronize(self) -> None:
        self._stream.run(self._count)


class _Deferred(TorchDispatchMode):
    """Torch's in-place operations are queued too."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled by torch; to be told so it would import all of its compiler, for seconds."""
        return False

    def __init__(self, platform: DelayedPlatform) -> None:
        super().__init__()
        self._platform = platform

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func) not in _IN_PLACE or self._platform.working:
            self._platform.has_network |= str(func) in _NETWORK
            return func(*args, **(kwargs or {}))
        self._platform.queue(lambda: func(*args, **(kwargs or {})))
        return args[0]


class DelayedPlatform(HostPlatform):
    """See above.

    Args:
        library: the compiled kernels.
        eager: numbers of the streams, in the order of their creation, that are not delayed.

    Attributes:
        decoder: the stream of the video decoder.
        working: whether queued work is being done.
        has_network: whether the graph being captured runs the network.
    """

    def __init__(self, library: Any, eager: tuple[int, ...] = ()) -> None:
        super().__init__(library)
        self._eager, self._created, self._current = eager, 0, []
        self.decoder = DelayedStream(eager=False)
        self.working = self.has_network = False
        self._graph: list[Callable[[], Any]] | None = None

    def stream(self) -> DelayedStream:
        self._created += 1
        return DelayedStream(self._created - 1 in self._eager)

    @contextmanager
    def on(self, stream: DelayedStream) -> Iterator[None]:
        self._current.append(stream)
        try:
            with _Deferred(self):
                yield
        finally:
            self._current.pop()

    def queue(self, work: Callable[[], Any]) -> None:
        def guarded() -> None:
            before, self.working = self.working, True
            try:
                work()
            finally:
                self.working = before

        if self._graph is not None:
            self._graph.append(work)
        else:
            self._current[-1].queue(guarded)

    def record(self, stream: DelayedStream) -> DelayedEvent:
        return stream.record()

    def record_decoder(self) -> DelayedEvent:
        return self.decoder.record()

    def launch(self, kernel: str, size: tuple[int, int], *arguments: Any) -> None:
        if self.working:  # inside a graph
            super().launch(kernel, size, *arguments)
        else:
            self.queue(lambda: HostPlatform.launch(self, kernel, size, *arguments))

    def capture(self, work: Callable[[], None], stream: DelayedStream) -> Callable[[], None]:
        """As a CUDA graph: what ``work`` queues now, with the memory that it names now."""
        graph: list[Callable[[], Any]] = []
        self._graph, self.has_network = graph, False
        with self.on(stream):
            work()
        self._graph = None
        steps = [work] if self.has_network else graph

        def replay() -> None:
            for step in steps:
                self.queue(step)

        return replay

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Zeros, so that memory that is read too early always holds the same."""
        self.allocated += 1
        return torch.zeros(shape, dtype=dtype)


class LatePlatform(DelayedPlatform):
    """All streams are delayed, also the default one, to which work outside ``on`` goes.

    Attributes:
        default: that stream.
    """

    def __init__(self, library: Any) -> None:
        super().__init__(library)
        self.default = DelayedStream(eager=False)
        # The tensors are kept, so that nothing else ever stands at their addresses.
        self._pinned: dict[int, Tensor] = {}

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Torch's operations outside ``on`` are delayed inside, too."""
        with _Reads(self), self.on(self.default):
            yield

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        memory = super().pinned(shape, dtype)
        self._pinned[memory.untyped_storage().data_ptr()] = memory
        return memory

    def before_read(self, memory: Tensor) -> None:
        """What CUDA does before it gives the host a value of GPU memory; page-locked memory is simply read."""
        if not self.working and memory.untyped_storage().data_ptr() not in self._pinned:
            self._current[-1].synchronize()


class _Reads(TorchFunctionMode):
    """Calls that wait for the current stream when their tensor is on a GPU."""

    def __init__(self, platform: LatePlatform) -> None:
        super().__init__()
        self._platform = platform

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (Tensor.cpu, Tensor.tolist, Tensor.item):
            self._platform.before_read(args[0])
        return func(*args, **(kwargs or {}))
