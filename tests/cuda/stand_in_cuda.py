"""What scripts/gpu/first_run asks of torch.cuda beyond the device's platform, without a GPU: it does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from host_kernels import HostStream


class TimedEvent:
    """An event that has fired; a millisecond passes between any two."""

    def __init__(self, **_: Any) -> None:
        pass

    def record(self, stream: Any = None) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, _: TimedEvent) -> float:
        return 1.0


class EmptyGraph:
    """Nothing is recorded: what is captured is done once."""

    def replay(self) -> None:
        pass


class Profiler:
    """In the place of torch.profiler.profile: two kernels, one of them our own."""

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> Profiler:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def events(self) -> list[Any]:
        spans = {"finish(Frame const*)": (0, 30), "sm90_xmma_fprop_implicit_gemm": (20, 90)}
        return [
            SimpleNamespace(
                name=name,
                device_type="DeviceType.CUDA",
                time_range=SimpleNamespace(start=start, end=end, elapsed_us=lambda length=end - start: length),
            )
            for name, (start, end) in spans.items()
        ]

    def export_chrome_trace(self, path: str) -> None:
        Path(path).write_text("{}", encoding="utf-8")


@contextmanager
def _graph(*_: Any, **__: Any) -> Iterator[None]:
    yield


def stand_in_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the functions of torch.cuda."""
    replaced = {
        "CUDAGraph": EmptyGraph,
        "Event": TimedEvent,
        "Stream": HostStream,
        "_sleep": lambda _: None,
        "current_stream": lambda _: HostStream(),
        "get_device_properties": lambda _: None,
        "graph": _graph,
        "max_memory_reserved": lambda *_: 1_000_000,
        "mem_get_info": lambda: (1_000_000, 3_000_000),
        "memory_allocated": lambda: 1_000_000,
        "memory_reserved": lambda: 1_000_000,
        "stream": lambda _: nullcontext(),
        "synchronize": lambda: None,
    }
    for name, stand_in in replaced.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
