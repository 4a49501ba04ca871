"""Errors of torch and CuPy as errors of streamseg, in one line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamseg.errors import DeviceError, DeviceLost, DeviceOutOfMemory, StreamsegError

__all__ = ["clear_failures"]

# Messages and names (of cudaGetErrorString and cudaGetErrorName) after which a context cannot be used any more.
_LOST = ("illegal memory access", "device-side assert", "unspecified launch failure", "ecc error", "device lost")
_LOST_NAMES = (
    "cudaErrorDevicesUnavailable",
    "cudaErrorECCUncorrectable",
    "cudaErrorLaunchFailure",
    "busy or unavailable",
)
_DEVICE_ERRORS = {
    "AcceleratorError",
    "OutOfMemoryError",
    "CUDARuntimeError",
    "CUDADriverError",
    "NVRTCError",
    "CompileException",  # CuPy's, when NVRTC does not compile the kernels; not a RuntimeError
}


@contextmanager
def clear_failures(work: str) -> Iterator[None]:
    """Translate errors of torch and CuPy that are raised inside; ``work`` is what was being done, for the message.

    Raises:
        DeviceOutOfMemory: there is too little GPU memory, or page-locked memory of the host.
        DeviceLost: the GPU or its driver failed; nothing more can be done in this process.
        DeviceError: any other failure of the GPU.
    """
    try:
        yield
    except StreamsegError:
        raise
    except Exception as error:
        if not _is_device_error(error):
            raise
        raise _translated(error, work) from error


def _is_device_error(error: Exception) -> bool:
    """Whether torch or CuPy raised it because of the GPU; any other error is left as it is."""
    if {kind.__name__ for kind in type(error).__mro__} & _DEVICE_ERRORS:
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in ("CUDA", "cuDNN", "CUDNN"))


def _translated(error: Exception, work: str) -> DeviceError:
    line = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
    if "out of memory" in line.lower() or "cudaErrorMemoryAllocation" in line or "OutOfMemory" in type(error).__name__:
        return DeviceOutOfMemory(
            f"{work}: the GPU has too little memory left ({line}); close other programs on it, or use --device cpu"
        )
    if any(word in line.lower() for word in _LOST) or any(name in line for name in _LOST_NAMES):
        return DeviceLost(f"{work}: the GPU or its driver failed ({line}); start again, or use --device cpu")
    return DeviceError(f"{work}: {line}; --device cpu works without a GPU")
