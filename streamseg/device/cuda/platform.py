"""What the device needs of torch and CuPy: memory, streams, events, graphs and kernels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from operator import index
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from streamseg.device.cuda.capture import GraphCapture
from streamseg.device.cuda.failures import clear_failures
from streamseg.errors import MissingDependency, UnsupportedDevice
from streamseg.matting import constants
from streamseg.network.architecture import MEAN, STD

__all__ = ["KERNEL_OPTIONS", "CUDAPlatform", "Event", "Platform", "Stream", "kernel_source"]

Argument = Tensor | int | float | np.integer[Any] | np.floating[Any] | None
Size = tuple[int, int]

_KERNELS = Path(__file__).with_name("kernels")
# The header first: NVRTC gets one text.
_SOURCES = (
    "common.cuh",
    "planes.cu",
    "motion.cu",
    "brightness.cu",
    "temporal.cu",
    "ambiguity.cu",
    "person.cu",
    "finish.cu",
    "blur.cu",
    "pooling.cu",
)
# ROIs are computed in double precision, as in streamseg.matting.tracking.roi.
_DOUBLES = ("ROI_MARGIN", "ROI_SMALLEST", "ROI_GROW", "ROI_SHRINK", "ROI_TOLERANCE")
#: Options of NVRTC besides the architecture.
KERNEL_OPTIONS = ("-std=c++17", "--fmad=true")
_BLOCK = (32, 8)
_UNTIMED_RUNS, _TIMED_RUNS = 3, 20
# Clocks for which the GPU sleeps while timed work is queued, a millisecond or so: it must not wait for the host.
_HEAD_START = 2_000_000
# Half precision on tensor cores of the third generation; what the tests compile the kernels for.
_MIN_CAPABILITY = (8, 0)


class Event(Protocol):
    """A mark in a stream."""

    def query(self) -> bool:
        """Whether all work queued before it is done."""
        ...

    def synchronize(self) -> None:
        """Wait until it is."""
        ...


class Stream(Protocol):
    """A queue of work on the GPU; work of one stream is done in order."""

    def wait_event(self, event: Any) -> None:
        """Work queued from now on starts after ``event``."""
        ...

    def synchronize(self) -> None:
        """Wait until all queued work is done."""
        ...


class Platform(Protocol):
    """Memory, streams, graphs and kernels of one device.

    Torch's work and kernels go to the current stream of the calling thread, which ``on`` sets.

    Attributes:
        device: where its memory is.
    """

    device: torch.device

    @property
    def identity(self) -> str:
        """What the fastest methods depend on: the GPU, and the versions of its driver and libraries."""
        ...

    def stream(self) -> Stream:
        """A new stream."""
        ...

    def on(self, stream: Stream) -> AbstractContextManager[Any]:
        """Work that the calling thread queues inside goes to ``stream``."""
        ...

    def record(self, stream: Stream) -> Event:
        """An event after all work queued on ``stream``."""
        ...

    def record_decoder(self) -> Event:
        """An event after all work that the GPU's video decoder has queued: it uses the default stream."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """GPU memory."""
        ...

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Page-locked host memory, which copies to and from the GPU in the background."""
        ...

    def upload(self, values: Tensor) -> Tensor:
        """A copy on the GPU, made immediately; for small tables."""
        ...

    def launch(self, kernel: str, size: Size, *arguments: Argument) -> None:
        """Queue a kernel for ``size`` (columns, rows) threads; an int is passed as int32, a float as float32,
        whether of Python or of NumPy."""
        ...

    def seconds(self, work: Callable[[], object]) -> float:
        """GPU time of one ``work`` on the current stream of the calling thread, without the host's part; waits."""
        ...

    def capture(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
        """``work`` as one call that replays it on ``stream``; each run must do the same to the same memory.

        ``work`` is run before it is captured, after all that is queued on ``stream`` and in another thread: until this
        returns, nobody may use the memory that it names. See streamseg.device.cuda.capture.
        """
        ...


@cache
def kernel_source() -> str:
    """All kernels as one text for NVRTC, after the constants that they use."""
    return "\n".join((_constants(), *((_KERNELS / name).read_text(encoding="utf-8") for name in _SOURCES)))


def _constants() -> str:
    """The constants of matting and the statistics of the network's input, as #define lines."""
    doubles = [f"#undef {name}\n#define {name} {getattr(constants, name)!r}" for name in _DOUBLES]
    statistics = [
        f"#define {name} {{{', '.join(f'{value}f' for value in values)}}}"
        for name, values in (("IMAGENET_MEAN", MEAN), ("IMAGENET_STD", STD))
    ]
    return "\n".join((constants.c_header(), *doubles, *statistics))


class CUDAPlatform:
    """One NVIDIA GPU.

    Args:
        index: of the GPU, as torch counts them.

    Raises:
        MissingDependency: CuPy is not installed, or torch is a build without CUDA.
        UnsupportedDevice: there is no GPU, or it or its driver is too old.
        DeviceError: the GPU cannot be opened.
    """

    def __init__(self, index: int = 0) -> None:
        self._cupy = _import_cupy()
        _check_gpu(index)
        self.device = torch.device("cuda", index)
        with clear_failures("opening the GPU"):
            torch.cuda.set_device(self.device)
            self._cupy.cuda.Device(index).use()
            torch.empty(1, device=self.device)  # opens the context now: a GPU in exclusive use fails here
            module = self._cupy.RawModule(code=kernel_source(), options=KERNEL_OPTIONS)
            self._function = cache(module.get_function)
            module.get_function("prepare")  # compiles all of them, or takes them from CuPy's cache
            self._private = self._cupy.cuda.Stream(non_blocking=True)
            stream = torch.cuda.ExternalStream(self._private.ptr, self.device)  # type: ignore[no-untyped-call]
            self._capture = GraphCapture(self.device, stream)
        self._cupy_streams: dict[int, Any] = {}

    @property
    def name(self) -> str:
        """The GPU's name."""
        return str(torch.cuda.get_device_name(self.device))

    @property
    def identity(self) -> str:
        driver = self._cupy.cuda.runtime.driverGetVersion()
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        return f"{self.name} driver {driver} torch {torch.__version__} cuDNN {cudnn}"

    def stream(self) -> Stream:
        stream: Stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        return stream

    def on(self, stream: Any) -> AbstractContextManager[Any]:
        return torch.cuda.stream(stream)

    def record(self, stream: Any) -> Event:
        # A thread that waits for it sleeps instead of spinning.
        event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        event.record(stream)
        return event

    def record_decoder(self) -> Event:
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
        """Torch's current stream as a CuPy stream; created once for each."""
        current = torch.cuda.current_stream(self.device)
        handle = current.cuda_stream
        if handle not in self._cupy_streams:
            self._cupy_streams[handle] = self._cupy.cuda.Stream.from_external(_ExternalStream(current))
        return self._cupy_streams[handle]

    def seconds(self, work: Callable[[], object]) -> float:
        stream = torch.cuda.current_stream(self.device)
        for _ in range(_UNTIMED_RUNS):
            work()
        started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        stream.synchronize()
        torch.cuda._sleep(_HEAD_START)  # type: ignore[no-untyped-call]
        started.record(stream)
        for _ in range(_TIMED_RUNS):
            work()
        ended.record(stream)
        ended.synchronize()
        return float(started.elapsed_time(ended)) / 1000 / _TIMED_RUNS

    def capture(self, work: Callable[[], None], stream: Any) -> Callable[[], None]:
        return self._capture(work, stream)


class _ExternalStream:
    """A torch stream with the CUDA stream protocol, which torch's own class only has in recent versions."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._stream.cuda_stream


def _packed(argument: Argument) -> Any:
    """An argument for CuPy: NumPy scalars have their own size; a plain int, here an address, has eight bytes."""
    if isinstance(argument, Tensor):
        return argument.data_ptr()
    if argument is None:
        return 0
    # A float32 of NumPy is no float of Python. ``index`` takes no fractions, and NumPy no plain int that is too large.
    return np.float32(argument) if isinstance(argument, (float, np.floating)) else np.int32(index(argument))


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


def _check_gpu(index: int) -> None:
    if not torch.cuda.is_available() or torch.cuda.device_count() <= index:
        raise UnsupportedDevice("the device cuda: no NVIDIA GPU that torch can use (see nvidia-smi for GPU and driver)")
    capability = torch.cuda.get_device_capability(index)
    if capability < _MIN_CAPABILITY:
        name, least = torch.cuda.get_device_name(index), ".".join(map(str, _MIN_CAPABILITY))
        found = ".".join(map(str, capability))
        raise UnsupportedDevice(f"the device cuda: {name} has compute capability {found}, at least {least} is needed")
