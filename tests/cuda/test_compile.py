"""NVRTC compiles the kernels for two GPU architectures, without a GPU and without a warning."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="no torch, which the cuda device is written with")
nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="no CuPy (extra cuda) to compile with")

from streamseg.device.cuda.platform import KERNEL_OPTIONS, kernel_source  # noqa: E402


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_the_kernels_compile_without_a_warning(architecture):
    try:
        version = nvrtc.getVersion()
    except Exception as error:
        pytest.skip(f"no NVRTC (nvidia-cuda-nvrtc) to compile with: {error}")
    program = nvrtc.createProgram(kernel_source(), "kernels.cu", (), ())
    try:
        nvrtc.compileProgram(program, (*KERNEL_OPTIONS, f"-arch={architecture}"))
    finally:
        log = nvrtc.getProgramLog(program)
    assert log.strip("\0\n ") == "", (version, log)
    code = nvrtc.getCUBIN(program)
    assert code[:4] == b"\x7fELF"
    for name in (b"prepare", b"update", b"finish"):
        assert name in code
