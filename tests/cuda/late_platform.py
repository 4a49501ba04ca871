"""A platform whose streams do nothing until somebody waits for it, as a busy card might.

On the host's plain platform all work is done at once, in the order in which it is queued, and a wait too few goes
unnoticed. Here each stream is a queue: what is in it is done when an event behind it is waited for, by the host or by
another stream's work, and not a step sooner; or at once, for streams that a test makes ``eager``. A buffer that is
filled too soon, or read too soon, then holds the wrong picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from host_kernels import HostPlatform
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# What the stand-in for the network computes: a graph with that in it is done as a whole.
_COMPUTES = ("aten.mean.dim", "aten.sigmoid.default")
_IN_PLACE = ("aten.copy_.default", "aten.zero_.default", "aten.fill_.Scalar")


class Late:
    """A stream: work that has been queued, and how much of it is done."""

    def __init__(self, eager: bool) -> None:
        self.eager, self._work, self._done = eager, [], 0

    def queue(self, work: Callable[[], Any]) -> None:
        self._work.append(work)
        if self.eager:
            self.catch_up(len(self._work))

    def catch_up(self, to: int) -> None:
        while self._done < to:
            work = self._work[self._done]
            self._done += 1
            work()

    def done(self, to: int) -> bool:
        return self._done >= to

    def mark(self) -> Mark:
        return Mark(self, len(self._work))

    def wait_event(self, event: Mark) -> None:
        self.queue(event.synchronize)

    def synchronize(self) -> None:
        self.catch_up(len(self._work))


class Mark:
    """An event: a place in a stream."""

    def __init__(self, stream: Late, place: int) -> None:
        self._stream, self._place = stream, place

    def query(self) -> bool:
        return self._stream.done(self._place)

    def synchronize(self) -> None:
        self._stream.catch_up(self._place)


class _Deferred(TorchDispatchMode):
    """Torch's own writing goes to the stream too."""

    def __init__(self, platform: LatePlatform) -> None:
        super().__init__()
        self._platform = platform

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func) not in _IN_PLACE or self._platform.working:
            self._platform.computed |= str(func) in _COMPUTES
            return func(*args, **(kwargs or {}))
        self._platform.queue(lambda: func(*args, **(kwargs or {})))
        return args[0]


class LatePlatform(HostPlatform):
    """See above.

    Args:
        library: the compiled kernels.
        eager: numbers of the streams, in the order of their making, that do not dawdle.
    """

    def __init__(self, library: Any, eager: tuple[int, ...] = ()) -> None:
        super().__init__(library)
        self._eager, self._made, self._current = eager, 0, []
        self.decoder = Late(eager=False)
        self.working = self.computed = False
        self._graph: list[Callable[[], Any]] | None = None

    def stream(self) -> Late:
        self._made += 1
        return Late(self._made - 1 in self._eager)

    @contextmanager
    def on(self, stream: Late) -> Iterator[None]:
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

    def record(self, stream: Late) -> Mark:
        return stream.mark()

    def decoder_mark(self) -> Mark:
        return self.decoder.mark()

    def launch(self, kernel: str, size: tuple[int, int], *arguments: Any) -> None:
        if self.working:  # inside of a graph
            super().launch(kernel, size, *arguments)
        else:
            self.queue(lambda: HostPlatform.launch(self, kernel, size, *arguments))

    def captured(self, work: Callable[[], None], stream: Late) -> Callable[[], None]:
        """As a graph is: what ``work`` queues now, with the memory that it names now."""
        graph: list[Callable[[], Any]] = []
        self._graph, self.computed = graph, False
        with self.on(stream):
            work()
        self._graph = None
        whole = [work] if self.computed else graph

        def replay() -> None:
            for each in whole:
                self.queue(each)

        return replay

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Filled, so that what is read too soon is always the same."""
        self.allocated += 1
        return torch.zeros(shape, dtype=dtype)
