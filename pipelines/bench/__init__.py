"""How fast is this machine: ``streamseg bench``.

    cpu.py           the benchmark on the CPU: network, codecs, end to end
    gpu.py           the benchmark on an NVIDIA GPU
    gpu_result.py    its figures, for JSON and as a table
    steps.py         what each step around the network costs on one core
    transcode.py     decoding and encoding alone
    cold_start.py    from the start of a process to the first frame written
    memory.py        peak memory of a process
    peer.py          another program on the same frames
    peers.py         the programs that can be compared

From Python: ``from streamseg.pipelines.bench import BenchResult, run_bench``
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cpu import BenchResult, run_bench

__all__ = ["BenchResult", "run_bench"]


def __getattr__(name: str) -> Any:
    # Imported on first use, see streamseg.pipelines.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".cpu", __name__), name)
