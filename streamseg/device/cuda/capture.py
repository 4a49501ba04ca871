"""CUDA graphs: captured one at a time, in a thread and on a stream that do nothing else.

While a stream is captured, whatever anybody queues on it is recorded into the graph, and a wait for the whole GPU,
which the start of another capture is, ends the capture with an error. So one thread captures everything in this
process, on a stream that only it knows. It is also the only thread in which cuDNN looks for its methods: torch
remembers them by thread.

All graphs that are replayed on one stream take their memory from one pool, so the graphs for all batch sizes need no
more than the largest. That is sound because the work of a stream is done in order: no graph runs before the one ahead
of it is done, and none keeps anything in the pool from one replay to the next (what goes in and comes out has memory of
its own). For the same reason a graph must not be replayed on two streams: both would write the same memory at a time.
So graphs belong to one stream for replays, and the videos on a device share both, in turns: see CUDADevice.lock.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from streamseg.device.cuda.failures import clear_failures

__all__ = ["GraphCapture"]

# One for all GPUs of the process. It is started by the first capture.
_THREAD = ThreadPoolExecutor(1, "capture")
# Libraries choose their methods and reserve their memory in these runs, not during the capture.
_WARM_UPS = 3


class GraphCapture:
    """Captures graphs on one GPU.

    Args:
        device: the GPU.
        stream: only for captures. None of torch's own: it has 32, and gives each of them to several.
    """

    def __init__(self, device: torch.device, stream: Any) -> None:
        self._device, self._stream = device, stream
        # By the stream that they are replayed on.
        self._pools: dict[int, Any] = {}

    def __call__(self, work: Callable[[], None], replays: Any) -> Callable[[], None]:
        """``work`` as one call, for the stream ``replays``; waits for all that is queued there.

        Until it returns, nobody may use the memory that ``work`` names: it is run three times before it is captured.
        """
        with clear_failures("capturing a graph"):
            return _THREAD.submit(self._capture, work, replays).result()

    def _capture(self, work: Callable[[], None], replays: Any) -> Callable[[], None]:
        stream, graph = self._stream, torch.cuda.CUDAGraph()
        stream.wait_stream(replays)
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                work()
        stream.synchronize()
        # Other threads may use the GPU meanwhile: only what this one does is checked.
        with torch.cuda.graph(graph, self._pool(replays), stream, capture_error_mode="thread_local"):
            work()
        return graph.replay

    def _pool(self, replays: Any) -> Any:
        handle = replays.cuda_stream
        if handle not in self._pools:
            self._pools[handle] = torch.cuda.graph_pool_handle()
        return self._pools[handle]
