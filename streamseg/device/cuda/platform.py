"""What the device needs of torch and CuPy: memory, streams, events, graphs and kernels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from streamseg.device.cuda.failures import clear_failures
from streamseg.errors import MissingDependency, UnsupportedDevice

__all__ = ["KERNEL_OPTIONS", "CUDAPlatform", "Event", "Platform", "Stream", "kernel_source"]

Argument = Tensor | int | float | None
Size = tuple[int, int]

_KERNELS = Path(__file__).with_name("kernels")
# The header first: NVRTC gets one text.
_SOURCES = ("common.cuh", "planes.cu", "motion.cu", "steady.cu", "finish.cu", "blur.cu")
#: What NVRTC is told besides the card.
KERNEL_OPTIONS = ("-std=c++17", "--fmad=true")
_BLOCK = (32, 8)
# Half precision on tensor cores of the third generation; what the kernels are compiled for in the tests.
_LEAST_CAPABILITY = (8, 0)


class Event(Protocol):
    """A mark in a stream."""

    def query(self) -> bool:
        """Whether all that was queued before it is done."""
        ...

    def synchronize(self) -> None:
        """Wait for that."""
        ...


class Stream(Protocol):
    """A queue of work on the card; work of one stream is done in order."""

    def wait_event(self, event: Any) -> None:
        """What is queued from now on begins after ``event``."""
        ...

    def synchronize(self) -> None:
        """Wait until all that is queued is done."""
        ...


class Platform(Protocol):
    """Memory, streams, graphs and kernels of one device.

    Torch's work and kernels go to the stream that ``on`` has made the calling thread's own.
    """

    device: torch.device

    def stream(self) -> Stream:
        """A new stream."""
        ...

    def on(self, stream: Stream) -> AbstractContextManager[Any]:
        """Work that the calling thread queues inside goes to ``stream``."""
        ...

    def record(self, stream: Stream) -> Event:
        """A mark behind all that is queued on ``stream``."""
        ...

    def decoder_mark(self) -> Event:
        """A mark behind all that the card's video decoder has queued: it works on the default stream."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory of the device."""
        ...

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Page-locked memory of the host, which copies to and from in the background."""
        ...

    def upload(self, values: Tensor) -> Tensor:
        """A copy on the device, made at once; for small tables."""
        ...

    def launch(self, kernel: str, size: Size, *arguments: Argument) -> None:
        """Queue a kernel for ``size`` (columns, rows) threads; whole numbers are passed as int32, others as float32."""
        ...

    def captured(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
        """``work``, whose every run does the same to the same memory, as one call."""
        ...


@cache
def kernel_source() -> str:
    """All kernels, as NVRTC gets them."""
    return "\n".join((_KERNELS / name).read_text(encoding="utf-8") for name in _SOURCES)


class CUDAPlatform:
    """One NVIDIA card.

    Raises:
        MissingDependency: CuPy is not installed, or torch is without CUDA.
        UnsupportedDevice: there is no card, its driver is too old, or it is too old itself.
    """

    def __init__(self, index: int = 0) -> None:
        self._cupy = _import_cupy()
        _check_card(index)
        self.device = torch.device("cuda", index)
        with clear_failures("opening the card"):
            torch.cuda.set_device(self.device)
            self._cupy.cuda.Device(index).use()
            torch.empty(1, device=self.device)  # opens the context now: a card that is taken fails here
            module = self._cupy.RawModule(code=kernel_source(), options=KERNEL_OPTIONS)
            self._function = cache(module.get_function)
            module.get_function("prepare")  # compiles all of them, or takes them from CuPy's cache
        self._wrapped: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """The card's own name."""
        return str(torch.cuda.get_device_name(self.device))

    def stream(self) -> Stream:
        stream: Stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        return stream

    def on(self, stream: Any) -> AbstractContextManager[Any]:
        return torch.cuda.stream(stream)

    def record(self, stream: Any) -> Event:
        # Whoever waits for it sleeps instead of spinning.
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(stream)
        return event

    def decoder_mark(self) -> Event:
        return self.record(torch.cuda.default_stream(self.device))

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        with clear_failures("reserving memory"):
            return torch.empty(shape, dtype=dtype, device=self.device)

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        with clear_failures("reserving page-locked memory"):
            return torch.empty(shape, dtype=dtype, pin_memory=True)

    def upload(self, values: Tensor) -> Tensor:
        with clear_failures("reserving memory"):
            return values.to(self.device)

    def launch(self, kernel: str, size: Size, *arguments: Argument) -> None:
        grid = (-(-size[0] // _BLOCK[0]), -(-size[1] // _BLOCK[1]))
        with self._cupy_stream():
            self._function(kernel)(grid, _BLOCK, tuple(map(_packed, arguments)))

    def _cupy_stream(self) -> Any:
        """CuPy's view of torch's current stream; made once for each."""
        current = torch.cuda.current_stream(self.device)
        handle = current.cuda_stream
        if handle not in self._wrapped:
            self._wrapped[handle] = self._cupy.cuda.Stream.from_external(_Shared(current))
        return self._wrapped[handle]

    def captured(self, work: Callable[[], None], stream: Any) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        with clear_failures("capturing a graph"):
            with torch.cuda.stream(stream):
                for _ in range(
                    3
                ):  # libraries choose their methods and reserve their memory now, not while it is captured
                    work()
            stream.synchronize()
            # Other threads may use the card meanwhile: only what this one does is captured and checked.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                work()
        return graph.replay


class _Shared:
    """Torch's stream by the protocol of CUDA streams, which torch's own class has only had of late."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._stream.cuda_stream


def _packed(argument: Argument) -> Any:
    """As CuPy passes it: NumPy's scalars by their own size, a bare int as eight bytes, which is an address here."""
    if isinstance(argument, Tensor):
        return argument.data_ptr()
    if argument is None:
        return 0
    return np.float32(argument) if isinstance(argument, float) else np.int32(argument)


def _import_cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        reason = "CuPy is not installed" if isinstance(error, ModuleNotFoundError) else f"CuPy: {error}"
        raise MissingDependency(f'the device cuda: {reason}; pip install "streamseg[cuda]"') from error
    if torch.version.cuda is None:
        raise MissingDependency(
            f"the device cuda: torch {torch.__version__} is a build without CUDA; install one with it"
        )
    return cupy


def _check_card(index: int) -> None:
    if not torch.cuda.is_available() or torch.cuda.device_count() <= index:
        raise UnsupportedDevice(
            "the device cuda: no NVIDIA card that torch can use (see nvidia-smi for card and driver)"
        )
    capability = torch.cuda.get_device_capability(index)
    if capability < _LEAST_CAPABILITY:
        name, least = torch.cuda.get_device_name(index), ".".join(map(str, _LEAST_CAPABILITY))
        got = ".".join(map(str, capability))
        raise UnsupportedDevice(f"the device cuda: {name} has compute capability {got}, at least {least} is needed")
