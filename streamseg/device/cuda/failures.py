"""What goes wrong on a card, in one clear line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamseg.errors import DeviceError, DeviceLost, DeviceOutOfMemory, StreamsegError

__all__ = ["clear_failures"]

# What the driver says when a context is beyond help; cudaGetErrorString's words and names.
_LOST = ("illegal memory access", "device-side assert", "unspecified launch failure", "ecc error", "device lost")
_LOST_NAMES = (
    "cudaErrorDevicesUnavailable",
    "cudaErrorECCUncorrectable",
    "cudaErrorLaunchFailure",
    "busy or unavailable",
)


@contextmanager
def clear_failures(doing: str) -> Iterator[None]:
    """Errors of torch and CuPy inside, as ours; ``doing`` names the work.

    Raises:
        DeviceOutOfMemory: there is too little memory on the card, or of page-locked memory on the host.
        DeviceLost: the card or its driver failed; nothing more can be done in this process.
        DeviceError: any other failure of the card.
    """
    try:
        yield
    except StreamsegError:
        raise
    except RuntimeError as error:
        if not _of_device(error):
            raise
        raise _explained(error, doing) from error


def _of_device(error: RuntimeError) -> bool:
    """Whether torch or CuPy raised it about the card; a RuntimeError of anybody else is left as it is."""
    names = {kind.__name__ for kind in type(error).__mro__}
    ours = {"AcceleratorError", "OutOfMemoryError", "CUDARuntimeError", "CUDADriverError", "NVRTCError"}
    return bool(names & ours) or "CUDA" in str(error) or "cuDNN" in str(error).replace("CUDNN", "cuDNN")


def _explained(error: RuntimeError, doing: str) -> DeviceError:
    line = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
    if "out of memory" in line.lower() or "cudaErrorMemoryAllocation" in line or "OutOfMemory" in type(error).__name__:
        return DeviceOutOfMemory(
            f"{doing}: the card has too little memory left ({line}); close other programs on it, or use --device cpu"
        )
    if any(word in line.lower() for word in _LOST) or any(name in line for name in _LOST_NAMES):
        return DeviceLost(f"{doing}: the card or its driver failed ({line}); start again, or use --device cpu")
    return DeviceError(f"{doing}: {line}; --device cpu does without the card")
