"""What a user reads when the GPU fails, or is not there."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from stand_in_decoder import install  # noqa: E402
from streamseg.pipelines import Segmenter, VideoJob, cli  # noqa: E402

from streamseg.device import open_device  # noqa: E402
from streamseg.device.cuda import device as device_module  # noqa: E402
from streamseg.device.cuda.failures import clear_failures  # noqa: E402
from streamseg.errors import (  # noqa: E402
    DeviceError,
    DeviceLost,
    DeviceOutOfMemory,
    MissingDependency,
    OptionError,
    StreamsegError,
    UnsupportedDevice,
)

# As torch 2.13 words them.
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.18 GiB of which …"
ILLEGAL = (
    "CUDA error: an illegal memory access was encountered\nSearch for `cudaErrorIllegalAddress' in …\nCompile with …"
)
NO_ENGINE = "GET was unable to find an engine to execute this computation (cuDNN)"


def cupy_error(name: str, text: str) -> RuntimeError:
    """CuPy's errors cannot be created without its library; only their names and texts matter."""
    return type(name, (RuntimeError,), {})(text)


def compile_exception() -> Exception:
    """CuPy's, which is no RuntimeError; its text is the log of NVRTC."""
    message = 'kernels.cu(7): error: identifier "unknown" is undefined\n\n1 error detected in the compilation'
    return type("CompileException", (Exception,), {})(message)


@pytest.mark.parametrize(
    "error, kind, words",
    [
        (torch.OutOfMemoryError(OUT_OF_MEMORY), DeviceOutOfMemory, "too little memory left"),
        (torch.AcceleratorError(ILLEGAL), DeviceLost, "GPU or its driver failed"),
        (RuntimeError("CUDA error: out of memory"), DeviceOutOfMemory, "too little memory left"),
        (RuntimeError("CUDA error: unspecified launch failure"), DeviceLost, "GPU or its driver failed"),
        (RuntimeError(NO_ENGINE), DeviceError, "unable to find an engine"),
        (
            cupy_error("CUDADriverError", "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"),
            DeviceLost,
            "GPU or its driver failed",
        ),
        (compile_exception(), DeviceError, 'error: identifier "unknown" is undefined'),
        (
            cupy_error("CUDARuntimeError", "cudaErrorMemoryAllocation: out of memory"),
            DeviceOutOfMemory,
            "too little memory",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_one_line_reports_what_failed_and_what_to_do(error, kind, words):
    with pytest.raises(DeviceError) as caught, clear_failures("working on a frame"):
        raise error
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message.startswith("working on a frame: ") and words in message and "--device cpu" in message
    assert "\n" not in message
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [RuntimeError("dictionary changed size during iteration"), ValueError("CUDA")])
def test_other_errors_are_left_alone(error):
    with pytest.raises(type(error)) as caught, clear_failures("working on a frame"):
        raise error
    assert caught.value is error


def test_cupys_own_compile_exception_is_known():
    """The name is still CuPy's, and NVRTC's log is its text."""
    compiler = pytest.importorskip("cupy.cuda.compiler", reason="no CuPy (extra cuda) to compile with")
    error = compiler.CompileException("kernels.cu(7): error: expected an expression", "…", "kernels.cu", ())
    work = clear_failures("opening the GPU")
    with pytest.raises(DeviceError, match=r"opening the GPU: kernels\.cu\(7\): error: expected an expression; "), work:
        raise error


def without_cuda():
    return torch.version.cuda is None or not torch.cuda.is_available()


@pytest.mark.skipif(not without_cuda(), reason="there is a GPU")
def test_cuda_never_falls_back():
    with pytest.raises((MissingDependency, UnsupportedDevice), match="the device cuda: "):
        open_device("cuda")


def broken(*_, **__):
    raise UnsupportedDevice("the device cuda: no NVIDIA GPU that torch can use")


def test_auto_falls_back_and_logs_why(monkeypatch, caplog):
    monkeypatch.setattr(device_module, "CUDAPlatform", broken)
    with caplog.at_level(logging.WARNING, "streamseg"):
        assert open_device("auto").name == "cpu"
    assert "the CPU is used (the device cuda: no NVIDIA GPU" in caplog.text
    with pytest.raises(UnsupportedDevice):
        open_device("cuda")


def test_auto_falls_back_without_torch(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("streamseg.device.cuda.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependency, match=r"pip install \"streamseg\[cuda\]\""):
        open_device("cuda")
    assert open_device("auto").name == "cpu"
    assert "streamseg[cuda]" in caplog.text


def test_an_old_gpu_is_refused_by_name(monkeypatch):
    from streamseg.device.cuda import platform

    monkeypatch.setattr(platform, "_import_cupy", lambda: None)
    for name, value in (("is_available", True), ("device_count", 1), ("get_device_capability", (6, 1))):
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "GeForce GTX 1080 Ti")
    with pytest.raises(UnsupportedDevice, match=r"GTX 1080 Ti has compute capability 6\.1, at least 8\.0"):
        platform.CUDAPlatform()


def test_int8_and_unknown_devices_are_wrong_options():
    with pytest.raises(OptionError, match="int8: the device cuda runs in half precision"):
        Segmenter(device="cuda", precision="int8")
    with pytest.raises(OptionError, match="expected cpu, cuda, auto"):
        Segmenter(device="abacus")


def test_the_command_reports_it_in_one_line(tmp_path, small_clip):
    if not without_cuda():
        pytest.skip("there is a GPU")
    command = [sys.executable, "-m", "streamseg.pipelines.cli", "video", str(small_clip), str(tmp_path / "out.mp4")]
    done = subprocess.run([*command, "--device", "cuda"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("streamseg: error: the device cuda: ") and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_importing_streamseg_imports_neither_torch_nor_cupy():
    code = (
        "import sys, streamseg, streamseg.device, streamseg.device.cuda, streamseg.pipelines.video, numpy\n"
        "streamseg.pipelines.video.VideoJob\n"
        "print(sorted({'torch', 'cupy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert issubclass(DeviceError, StreamsegError) and np is not None


def bright_areas(network, x):
    """A quick stand-in for the network."""
    return torch.sigmoid(4 * x.mean(1))


@pytest.fixture
def failing_gpu(host, monkeypatch):
    """A GPU on which a kernel fails at its n-th call."""
    monkeypatch.setattr(device_module, "CUDAPlatform", lambda: host)
    monkeypatch.setattr("streamseg.device.cuda.network.FusedNetwork.__call__", bright_areas)
    launch = host.launch

    def fail(kernel, number, error):
        calls = iter(range(100_000))

        def failing(name, *arguments):
            if name == kernel and next(calls) == number:
                raise error
            launch(name, *arguments)

        monkeypatch.setattr(host, "launch", failing)

    return fail


FAILURES = [
    (torch.OutOfMemoryError(OUT_OF_MEMORY), DeviceOutOfMemory, "the GPU has too little memory left"),
    (torch.AcceleratorError(ILLEGAL), DeviceLost, "the GPU or its driver failed"),
    (
        cupy_error("CUDADriverError", "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure"),
        DeviceLost,
        "driver failed",
    ),
]


OUTPUTS = [("red", "out.mp4"), ("blur", "out.mkv"), ("transparent", "out/")]
# Every failure with one output, and one failure in every kernel and with every output.
CASES = [
    *((failure, "finish", OUTPUTS[0]) for failure in FAILURES[1:]),
    *((FAILURES[0], kernel, OUTPUTS[0]) for kernel in ("prepare", "update")),
    *((FAILURES[0], "finish", output) for output in OUTPUTS),
]


@pytest.mark.parametrize(
    "error, kind, words, kernel, background, out", [(*failure, kernel, *output) for failure, kernel, output in CASES]
)
def test_a_failure_in_the_middle_leaves_no_file(
    failing_gpu, tmp_path, small_clip, error, kind, words, kernel, background, out
):
    """Nothing under the final name and no partial file, as on the CPU."""
    failing_gpu(kernel, 6, error)
    job = VideoJob(small_clip, f"{tmp_path}/{out}", background, device="cuda", duration=0.6)
    with pytest.raises(kind, match=words) as caught:
        job.run()
    message = str(caught.value)
    assert message.startswith("working on a frame: ") and "\n" not in message and "--device cpu" in message
    assert list(tmp_path.iterdir()) == []
    assert job.summary is None


def test_an_existing_output_is_unchanged_after_a_failure(failing_gpu, tmp_path, small_clip):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"mine")
    failing_gpu("finish", 3, torch.AcceleratorError(ILLEGAL))
    with pytest.raises(DeviceLost):
        VideoJob(small_clip, out, "red", device="cuda", duration=0.6, overwrite=True).run()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


@pytest.mark.parametrize("what", ["empty", "pinned"])
def test_too_little_memory_is_reported_before_a_frame_is_written(host, monkeypatch, tmp_path, small_clip, what):
    """All memory is allocated with the first frame: on the GPU, and page-locked on the host."""
    monkeypatch.setattr(device_module, "CUDAPlatform", lambda: host)
    monkeypatch.setattr("streamseg.device.cuda.network.FusedNetwork.__call__", bright_areas)
    allocate = getattr(host, what)

    def full(shape, dtype):
        if np.prod(shape) > 20_000 and dtype == torch.uint8:
            raise torch.OutOfMemoryError(OUT_OF_MEMORY)
        return allocate(shape, dtype)

    monkeypatch.setattr(host, what, full)
    with pytest.raises(
        DeviceOutOfMemory, match=r"allocating memory for frames: .* too little memory left .* use --device cpu"
    ):
        VideoJob(small_clip, tmp_path / "out.mp4", "blur", device="cuda", duration=0.3).run()
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_is_lost_while_its_decoder_runs(failing_gpu, tmp_path, small_clip, monkeypatch):
    install(monkeypatch)
    failing_gpu("unpack", 4, torch.AcceleratorError(ILLEGAL))
    with pytest.raises(DeviceLost, match="uploading a frame: the GPU or its driver failed"):
        VideoJob(small_clip, tmp_path / "out.mp4", "red", device="cuda", duration=0.6).run()
    assert list(tmp_path.iterdir()) == []


def test_the_command_gives_status_1_and_one_line(failing_gpu, tmp_path, small_clip, capsys):
    failing_gpu("finish", 3, torch.OutOfMemoryError(OUT_OF_MEMORY))
    arguments = ["video", str(small_clip), str(tmp_path / "out.mp4"), "--bg", "red", "--device", "cuda", "--quiet"]
    assert cli.main([*arguments, "--duration", "0.6", "--hwaccel", "none", "--codec", "h264"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("streamseg: error: working on a frame: the GPU has too little memory left")
    assert message.count("\n") == 1
