"""NVRTC compiles the kernels for two GPU architectures, without a GPU and without a warning."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch", reason="no torch, which the cuda device is written with")
nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="no CuPy (extra cuda) to compile with")

from host_kernels import kernels  # noqa: E402

from streamseg.device.cuda.platform import KERNEL_OPTIONS, kernel_source  # noqa: E402

# A line of ptxas for each kernel, on its use of local memory; and notes, which are no warnings.
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores")
_NOTE = re.compile(r"ptxas (info|   )|[^\n]*bytes stack frame|\s*$")


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_the_kernels_compile_without_a_warning(architecture):
    """And keep everything in registers: local memory is as far away as the frame itself."""
    try:
        version = nvrtc.getVersion()
    except Exception as error:
        pytest.skip(f"no NVRTC (nvidia-cuda-nvrtc) to compile with: {error}")
    program = nvrtc.createProgram(kernel_source(), "kernels.cu", (), ())
    try:
        nvrtc.compileProgram(program, (*KERNEL_OPTIONS, f"-arch={architecture}", "--ptxas-options=-v"))
    finally:
        log = nvrtc.getProgramLog(program).strip("\0\n ")
    assert [line for line in log.splitlines() if not _NOTE.match(line)] == [], version
    assert len(_STACK.findall(log)) == len(kernels()) and set(_STACK.findall(log)) == {("0", "0")}, log
    code = nvrtc.getCUBIN(program)
    assert code[:4] == b"\x7fELF"
    for name in (b"prepare", b"update", b"finish"):
        assert name in code
