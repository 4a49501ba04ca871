"""The kernels' own text, compiled for the host: each thread of the grid in turn, so that arithmetic and indices are
those of the card. What a card alone has (streams, atomics among real threads, sums over a warp, fused multiply-adds) is
not covered."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from streamseg.device.cuda.platform import kernel_source

# What NVRTC gives by itself.
_PRELUDE = """
#include <cmath>
using std::ceil; using std::fabs; using std::floor; using std::fmax; using std::fmin;
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


def parameters(declaration: str) -> list[tuple[str, str]]:
    """Type and name of each parameter of a kernel."""
    pairs = (part.strip().replace("\n", " ") for part in declaration.split(","))
    return [(" ".join(pair[: re.search(r"\w+$", pair).start()].split()), re.search(r"\w+$", pair)[0]) for pair in pairs]


def kernels() -> dict[str, list[tuple[str, str]]]:
    """Name and parameters of every kernel in the source."""
    return {match[1]: parameters(match[2]) for match in _KERNEL.finditer(kernel_source())}


def _over_the_grid(name: str, of: list[tuple[str, str]]) -> str:
    """A function that runs one kernel for every thread of columns × rows, in blocks as on the card."""
    declared = ", ".join(f"{kind} {argument}" for kind, argument in of)
    passed = ", ".join(argument for _, argument in of)
    return f"""
extern "C" void host_{name}(int grid_x, int grid_y, {declared}) {{
    blockDim = {{32, 8}};
    for (blockIdx.y = 0; blockIdx.y < grid_y; blockIdx.y++) for (blockIdx.x = 0; blockIdx.x < grid_x; blockIdx.x++)
    for (threadIdx.y = 0; threadIdx.y < 8; threadIdx.y++) for (threadIdx.x = 0; threadIdx.x < 32; threadIdx.x++)
        {name}({passed});
}}"""


def build(folder: Path) -> ctypes.CDLL:
    """The compiled kernels; skips the test where there is no compiler."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++) to check the kernels' arithmetic with")
    source, library = folder / "kernels.cpp", folder / "kernels.so"
    drivers = "\n".join(_over_the_grid(name, of) for name, of in kernels().items())
    source.write_text("\n".join((_PRELUDE, kernel_source(), drivers)), encoding="utf-8")
    strict = [
        "-std=c++17",
        "-O3",
        "-march=native",
        "-ffp-contract=off",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unused-function",
    ]
    done = subprocess.run(
        [compiler, *strict, "-shared", "-fPIC", str(source), "-o", str(library)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))


class Mark:
    """An event that fires when the test lets it; at once unless ``held``."""

    def __init__(self, done: bool = True) -> None:
        self.done = done

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.done = True


class Line:
    """A stream on which everything is done at once."""

    def wait_event(self, event: Any) -> None:
        event.synchronize()

    def synchronize(self) -> None:
        pass


class HostPlatform:
    """A Platform without a card: torch on the CPU and the kernels compiled for the host. ``launched`` counts."""

    device = torch.device("cpu")
    name = "the host"

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library, self._kernels = library, kernels()
        self.launched: dict[str, int] = {}
        self.allocated = 0

    def stream(self) -> Line:
        return Line()

    def on(self, stream: Line) -> Any:
        return nullcontext()

    def record(self, stream: Line) -> Mark:
        return Mark()

    def decoder_mark(self) -> Mark:
        return Mark()

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        self.allocated += 1
        return torch.empty(shape, dtype=dtype)

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return self.empty(shape, dtype)

    def upload(self, values: Tensor) -> Tensor:
        return values.clone()

    def launch(self, kernel: str, size: tuple[int, int], *arguments: Any) -> None:
        of = self._kernels[kernel]
        assert len(arguments) == len(of), f"{kernel} takes {len(of)} arguments, got {len(arguments)}"
        names = {name for _, name in of}
        packed = [
            _packed(argument, kind, name, f"{name}_pitch" in names)
            for argument, (kind, name) in zip(arguments, of, strict=True)
        ]
        grid = -(-size[0] // 32), -(-size[1] // 8)
        getattr(self._library, f"host_{kernel}")(*map(ctypes.c_int32, grid), *packed)
        self.launched[kernel] = self.launched.get(kernel, 0) + 1

    def captured(self, work: Callable[[], None], stream: Line) -> Callable[[], None]:
        return work


def _packed(argument: Any, kind: str, name: str, pitched: bool) -> Any:
    """As the card's launcher packs it; a pointer where the kernel wants none, or a number of the other kind, fails.
    Only memory whose pitch goes with it may have gaps between its rows."""
    if kind.endswith("*"):
        assert argument is None or isinstance(argument, Tensor), f"{name}: expected memory, got {argument!r}"
        assert pitched or argument is None or argument.is_contiguous() or argument.dim() == 0, f"{name}: has gaps"
        _check_type(argument, kind, name)
        return ctypes.c_void_p(0 if argument is None else argument.data_ptr())
    expected = {"int": int, "float": float}[kind]
    assert type(argument) is expected, f"{name}: expected {kind}, got {argument!r}"
    return _TYPES[kind](argument)


def _check_type(argument: Tensor | None, kind: str, name: str) -> None:
    words = {"float": torch.float32, "double": torch.float64, "Picture": torch.int64, "int": torch.int32}
    word = kind.replace("const", "").replace("*", "").strip()
    if argument is not None and word in words:
        assert argument.dtype == words[word], f"{name}: expected {word}, got {argument.dtype}"
