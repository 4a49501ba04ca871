"""``streamseg doctor``: what this installation and this machine have, and why something is not used."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter

from streamseg.errors import StreamsegError

__all__ = ["Finding", "add_doctor", "examine", "run_doctor"]

#: Section → name → what was found.
Finding = dict[str, dict[str, str]]

# Extra → the packages that it is for.
_EXTRAS = {
    "cuda": ("torch", "cupy-cuda13x"),
    "train": ("torch", "kornia"),
    "window": ("opencv-python",),
    "virtual-camera": ("pyvirtualcam",),
    "evaluate": ("matplotlib", "pysodmetrics"),
    "heif": ("pillow-heif",),
    "demo": ("gradio", "aiortc"),
    "serve": ("fastapi", "uvicorn", "python-multipart", "prometheus-client", "websockets"),
}
_NEEDED = ("numpy", "av", "openvino", "pillow", "safetensors")
_ENCODERS = (
    "libx264",
    "libx265",
    "libvpx-vp9",
    "libsvtav1",
    "libaom-av1",
    "prores_ks",
    "ffv1",
    "png",
    "aac",
    "libopus",
)
_GPU_ENCODERS = ("h264_nvenc", "hevc_nvenc", "av1_nvenc")
_GIGABYTE = 1e9


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print it in JSON")


def run_doctor(arguments: argparse.Namespace) -> int:
    """``streamseg doctor``: gives the exit status, 1 where the network cannot be run."""
    found = examine()
    if arguments.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print("\n\n".join(_section(title, rows) for title, rows in found.items()))
    return int(found["CPU"]["network"].startswith("none"))


def _section(title: str, rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join([title, *(f"  {name.ljust(width)}  {text}" for name, text in rows.items())])


def examine() -> Finding:
    """What a maintainer asks first, by section. Opens the network, but no camera."""
    return {
        "Versions": _versions(),
        "CPU": dict(_cpu()),
        "GPU": {"cuda": _gpu()},
        "Codecs": _codecs(),
        "Cameras": _cameras(),
    }


def _versions() -> dict[str, str]:
    import av

    libraries = ", ".join(f"{name} {'.'.join(map(str, numbers))}" for name, numbers in av.library_versions.items())
    rows = {
        "streamseg": version("streamseg"),
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "FFmpeg": libraries,
    }
    rows |= {name: _installed(name) or "missing: install streamseg again" for name in _NEEDED}
    for extra, packages in _EXTRAS.items():
        missing = f'not installed: pip install "streamseg[{extra}]"'
        rows |= {name: _installed(name) or missing for name in packages if name not in rows}
    return rows


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> Iterator[tuple[str, str]]:
    from streamseg.device.cpu.compiled import NOT_COMPILED, compiled_kernels
    from streamseg.runtime import usable_cores
    from streamseg.runtime.available import available_memory

    yield "processor", f"{_processor()}, {usable_cores()} cores that may be used"
    memory = available_memory()
    if memory is not None:
        yield "memory", f"{memory / _GIGABYTE:.1f} GB that may still be taken"
    yield "mattes", f"NumPy: {NOT_COMPILED}" if compiled_kernels() is None else "kernels in C"
    yield "network", _tried(_network)


def _tried(find: Callable[[], str]) -> str:
    """What ``find`` says, or why it cannot."""
    try:
        return find()
    except (StreamsegError, ImportError, OSError, RuntimeError) as error:
        return f"none: {str(error).strip().splitlines()[0]}"


def _network() -> str:
    import numpy as np

    from streamseg.device.cpu.integer.plan import supported_instructions
    from streamseg.device.cpu.open_network import open_network

    image = np.full((320, 320, 3), 127, np.uint8)
    begun = perf_counter()
    network = open_network()
    opened = perf_counter()
    network(image)
    again = perf_counter()
    network(image)
    seconds = f"opened in {opened - begun:.1f} s, an inference takes {1000 * (perf_counter() - again):.0f} ms"
    if instructions := supported_instructions():
        return f"integer kernels, with {instructions[-1].name.replace('_', ' ')}; {seconds}"
    return f"OpenVINO, for the integer kernels need AVX2 and a compiler; {seconds}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpu() -> str:
    def name() -> str:
        from streamseg.device import open_device

        open_device("cuda")
        import torch

        return str(torch.cuda.get_device_name())

    return _tried(name)


def _codecs() -> dict[str, str]:
    opened = {name: _encodes(name) for name in _ENCODERS}
    return {
        "encoders": ", ".join(name for name, there in opened.items() if there) or "none",
        "missing": ", ".join(name for name, there in opened.items() if not there) or "none",
        "for a GPU": ", ".join(filter(_encodes, _GPU_ENCODERS)) or "none in this FFmpeg",
    }


def _encodes(name: str) -> bool:
    import av

    try:
        return bool(av.codec.Codec(name, "w").is_encoder)
    except ValueError:  # PyAV's error for names that this FFmpeg does not know
        return False


def _cameras() -> dict[str, str]:
    from streamseg.media.live.devices import camera_devices

    found = {device.name: device.description for device in camera_devices()}
    return found or {"none": "this machine has no camera, or does not show it to this user"}
