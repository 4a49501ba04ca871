"""The machine, and the first run of the network on it."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

from first_run.report import SITE, report, seconds_left, trial

COMMANDS = {
    "GPU": "nvidia-smi --query-gpu=name,driver_version,memory.total,pcie.link.gen.current,pcie.link.width.current "
    "--format=csv,noheader",
    "clocks": "nvidia-smi --query-gpu=clocks.sm,clocks.mem,clocks.max.sm --format=csv,noheader",
    "processor": "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2",
    "cores, flags": "nproc; grep -o -m1 -w -E 'avx512_vnni|avx_vnni|avx2' /proc/cpuinfo | sort -u | tr '\\n' ' '",
    "compilers": "for c in g++ gcc nvcc compute-sanitizer ncu; do command -v $c; done | tr '\\n' ' '",
}


def _shell(command: str) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=20)  # noqa: S602
    return done.stdout.strip()


def env() -> None:
    """Report hardware, drivers and versions."""
    for name, command in COMMANDS.items():
        with trial("env", name):
            report("env", name, _shell(command).replace("\n", " "))
    for library in ("libnvcuvid.so.1", "libnvidia-encode.so.1", "libcuda.so.1"):
        try:
            ctypes.CDLL(library)
            report("env", library, "loads")
        except OSError as error:
            report("env", library, f"does not load ({error})"[:90])
    with trial("env", "versions"):
        import av
        import cupy
        import numpy
        import torch

        report(
            "env",
            "versions",
            f"python {sys.version.split()[0]} torch {torch.__version__} cudnn {torch.backends.cudnn.version()} "
            f"cupy {cupy.__version__} numpy {numpy.__version__} av {av.__version__}",
        )
    with trial("env", "streamseg"):
        import streamseg
        from streamseg.device.cpu import compiled  # noqa: F401

        report("env", "streamseg", f"{streamseg.__version__} from {Path(streamseg.__file__).parent}")


def open_network() -> None:
    """The first second of a user: platform, weights, capture. Exit status 3 if the capture fails."""
    faulthandler.dump_traceback_later(max(5, seconds_left() - 3), exit=False)
    tag = os.environ.get("TAG", "unchanged")
    started = time.perf_counter()
    import torch

    from streamseg.device.cuda.convolutions.choice import method_choice
    from streamseg.device.cuda.network import CapturedNetwork, FusedNetwork
    from streamseg.device.cuda.platform import CUDAPlatform
    from streamseg.network.weights import load_weights

    report("open", f"{tag}: imports", time.perf_counter() - started, "s")
    started = time.perf_counter()
    platform = CUDAPlatform()
    report("open", f"{tag}: platform with NVRTC", time.perf_counter() - started, "s")
    stream = platform.stream()
    network = FusedNetwork(load_weights(), platform.device, platform=platform)
    started = time.perf_counter()
    try:
        captured = CapturedNetwork(network, platform, stream, 1)
    except Exception as error:
        seconds, reason = time.perf_counter() - started, str(error).splitlines()[0][:140]
        report("open", f"{tag}: CAPTURE", f"FAILED after {seconds:.1f} s: {reason}")
        traceback.print_exc()
        sys.exit(3)
    report("open", f"{tag}: network opened and captured, cold", time.perf_counter() - started, "s")
    report("open", f"{tag}: of that choosing convolutions", method_choice(platform.identity).seconds, "s")
    started = time.perf_counter()
    CapturedNetwork(network, platform, stream, 1)
    report("open", f"{tag}: the same again, warm", time.perf_counter() - started, "s")
    with platform.on(stream):
        _report_times(tag, captured, stream)
        _report_repeatability(tag, captured, stream, torch.randn((320, 320, 3), device=platform.device))
    report("open", f"{tag}: GPU memory reserved", torch.cuda.memory_reserved() / 1e6, "MB")


def _report_times(tag, captured, stream) -> None:
    times = []
    for _ in range(220):
        started = time.perf_counter()
        captured.run(1)
        stream.synchronize()
        times.append(time.perf_counter() - started)
    times = sorted(times[20:])
    report("open", f"{tag}: network b1, waited for, median", 1e3 * times[len(times) // 2], "ms")
    started = time.perf_counter()
    for _ in range(300):
        captured.run(1)
    host = time.perf_counter() - started
    stream.synchronize()
    report("open", f"{tag}: network b1, queued", 1e3 * (time.perf_counter() - started) / 300, "ms")
    report("open", f"{tag}: host time of one replay", 1e6 * host / 300, "µs")


def _report_repeatability(tag, captured, stream, image) -> None:
    import torch

    stream.synchronize()
    runs = []
    for _ in range(3):
        captured.inputs[0].copy_(image)
        captured.run(1)
        runs.append(captured.outputs[0].clone())
    stream.synchronize()
    good = torch.isfinite(runs[0]).all() and torch.equal(runs[0], runs[1]) and torch.equal(runs[0], runs[2])
    report("open", f"{tag}: finite, and the same three times", str(bool(good)))


def patch(mode: str) -> None:
    """Work around, in the installed copy, what would stop all other steps.

    Args:
        mode: "nobench": no choice of methods by measurement; "plain": also no fused methods at all.
    """
    path = SITE / "streamseg" / "device" / "cuda" / "convolutions" / "cudnn.py"
    _replace(path, "benchmark=search", "benchmark=False")
    _replace(path, "if method is None and self._measure is not None:", "if method is None and False:")
    if mode == "plain":
        _replace(path, 'if form == "fused" and kind in self._refused:', 'if form == "fused":')
    report("open", "PATCHED the installed copy", mode)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if old not in text and new not in text:
        raise ValueError(f"{path}: no {old!r} to replace")
    path.write_text(text.replace(old, new), encoding="utf-8")
