"""The text of the kernels, compiled for the host: the threads of the grid run one after another, so that arithmetic and
indices are those of the GPU. What only a GPU has (streams, atomics among real threads, sums over a warp, fused
multiply-adds) is not covered."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import torch
from torch import Tensor

from streamseg.device.cuda.platform import kernel_source

# What NVRTC has built in.
_PRELUDE = """
#include <cmath>
using std::ceil; using std::fabs; using std::floor; using std::fmax; using std::fmin;
// The library's are calls, and take a third of the time.
static inline float larger(float a, float b) { return a < b || a != a ? b : a; }
static inline float smaller(float a, float b) { return b < a || a != a ? b : a; }
#define fmaxf larger
#define fminf smaller
#define __device__ static
#define __global__
struct Index { int x, y; };
static thread_local Index blockIdx, threadIdx, blockDim;
static int atomicMin(int *at, int value) { int old = *at; if (value < old) *at = value; return old; }
static int atomicMax(int *at, int value) { int old = *at; if (value > old) *at = value; return old; }
static double atomicAdd(double *at, double value) { double old = *at; *at += value; return old; }
"""
_KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
_TYPES = {"int": ctypes.c_int32, "float": ctypes.c_float}
_OPTIONS = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-ftls-model=initial-exec", "-fno-math-errno"]
_WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]


def parameters(declaration: str) -> list[tuple[str, str]]:
    """Type and name of each parameter of a kernel."""
    pairs = (part.strip().replace("\n", " ") for part in declaration.split(","))
    return [(" ".join(pair[: re.search(r"\w+$", pair).start()].split()), re.search(r"\w+$", pair)[0]) for pair in pairs]


def kernels() -> dict[str, list[tuple[str, str]]]:
    """Name and parameters of every kernel in the source."""
    return {match[1]: parameters(match[2]) for match in _KERNEL.finditer(kernel_source())}


def _grid_loop(name: str, declared: list[tuple[str, str]]) -> str:
    """A function that runs one kernel for every thread of a grid, in blocks as on the GPU."""
    declaration = ", ".join(f"{kind} {parameter}" for kind, parameter in declared)
    arguments = ", ".join(parameter for _, parameter in declared)
    return f"""
extern "C" void host_{name}(int grid_x, int grid_y, {declaration}) {{
    blockDim = {{32, 8}};
    for (blockIdx.y = 0; blockIdx.y < grid_y; blockIdx.y++) for (blockIdx.x = 0; blockIdx.x < grid_x; blockIdx.x++)
    for (threadIdx.y = 0; threadIdx.y < 8; threadIdx.y++) for (threadIdx.x = 0; threadIdx.x < 32; threadIdx.x++)
        {name}({arguments});
}}"""


def build(folder: Path, cache: Path) -> ctypes.CDLL:
    """The compiled kernels, from ``cache`` if they are there; skips the test where there is no compiler."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++) to check the kernels' arithmetic with")
    loops = "\n".join(_grid_loop(name, declared) for name, declared in kernels().items())
    text = "\n".join((_PRELUDE, kernel_source(), loops))
    library = cache / f"kernels-{_digest(compiler, text)}.so"
    with _others_wait(cache):
        if not library.exists():
            source, built = folder / "kernels.cpp", folder / "kernels.so"
            source.write_text(text, encoding="utf-8")
            command = [compiler, *_OPTIONS, *_WARNINGS, "-shared", "-fPIC", str(source), "-o", str(built)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            # In one step: where there is no lock, tests in other processes may look for it.
            shutil.copy(built, beside := library.with_suffix(f".{os.getpid()}"))
            beside.replace(library)
    return ctypes.CDLL(str(library))


@contextmanager
def _others_wait(cache: Path) -> Iterator[None]:
    """While one process compiles, the others need not do the same; on Windows they do."""
    with (cache / "lock").open("w") as lock:
        with suppress(ImportError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(compiler: str, text: str) -> str:
    """Of all that the compiled kernels depend on: also on compiler and processor, which its macros tell."""
    command = [compiler, *_OPTIONS, "-dM", "-E", "-x", "c++", "-"]
    macros = subprocess.run(command, input="", capture_output=True, text=True, check=True).stdout
    return hashlib.sha256("\n".join((*_OPTIONS, *_WARNINGS, macros, text)).encode()).hexdigest()[:16]


class HostEvent:
    """An event that has fired."""

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass


class HostStream:
    """A stream on which all work is done immediately."""

    def wait_event(self, event: Any) -> None:
        event.synchronize()

    def synchronize(self) -> None:
        pass


class HostPlatform:
    """A Platform without a GPU: torch on the CPU and the kernels compiled for the host.

    Attributes:
        launched: how often each kernel was launched.
        allocated: how often memory was allocated.
    """

    device = torch.device("cpu")
    name = identity = "the host"

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library, self._kernels = library, kernels()
        self.launched: dict[str, int] = {}
        self.allocated = 0

    def stream(self) -> HostStream:
        return HostStream()

    def on(self, stream: HostStream) -> Any:
        return nullcontext()

    def record(self, stream: HostStream) -> HostEvent:
        return HostEvent()

    def record_decoder(self) -> HostEvent:
        return HostEvent()

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        self.allocated += 1
        return torch.empty(shape, dtype=dtype)

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return self.empty(shape, dtype)

    def upload(self, values: Tensor) -> Tensor:
        return values.clone()

    def launch(self, kernel: str, size: tuple[int, int], *arguments: Any) -> None:
        declared = self._kernels[kernel]
        assert len(arguments) == len(declared), f"{kernel} takes {len(declared)} arguments, got {len(arguments)}"
        names = {name for _, name in declared}
        packed = [
            _packed(argument, kind, name, f"{name}_pitch" in names)
            for argument, (kind, name) in zip(arguments, declared, strict=True)
        ]
        grid = -(-size[0] // 32), -(-size[1] // 8)
        getattr(self.library, f"host_{kernel}")(*map(ctypes.c_int32, grid), *packed)
        self.launched[kernel] = self.launched.get(kernel, 0) + 1

    def seconds(self, work: Callable[[], object]) -> float:
        started = perf_counter()
        work()
        return perf_counter() - started

    def capture(self, work: Callable[[], None], stream: HostStream) -> Callable[[], None]:
        return work


def _packed(argument: Any, kind: str, name: str, pitched: bool) -> Any:
    """As CUDAPlatform packs it; fails for memory where the kernel expects a number, and for the other kind of number.
    Only memory that is passed with its pitch may have gaps between its rows."""
    if kind.endswith("*"):
        assert argument is None or isinstance(argument, Tensor), f"{name}: expected memory, got {argument!r}"
        assert pitched or argument is None or argument.is_contiguous() or argument.dim() == 0, f"{name}: has gaps"
        _check_type(argument, kind, name)
        return ctypes.c_void_p(0 if argument is None else argument.data_ptr())
    expected = {"int": int, "float": float}[kind]
    assert type(argument) is expected, f"{name}: expected {kind}, got {argument!r}"
    return _TYPES[kind](argument)


def _check_type(argument: Tensor | None, kind: str, name: str) -> None:
    dtypes = {"float": torch.float32, "double": torch.float64, "Frame": torch.int64, "int": torch.int32}
    word = kind.replace("const", "").replace("*", "").strip()
    if argument is not None and word in dtypes:
        assert argument.dtype == dtypes[word], f"{name}: expected {word}, got {argument.dtype}"
