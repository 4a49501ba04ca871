"""The cameras of this machine, and how FFmpeg opens them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av

from streamseg.errors import InputError
from streamseg.media.reading.source import is_address, is_present

__all__ = ["Attempt", "CameraDevice", "CameraRequest", "attempts", "camera_devices", "devices_here", "is_device"]

_SYSTEMS = {"darwin": "avfoundation", "win32": "dshow"}
_FORMAT = _SYSTEMS.get(sys.platform, "v4l2")
_LINUX_NAMES = Path("/sys/class/video4linux")
# Requested from a camera where the user requests nothing.
_DEFAULT_SIZE, _DEFAULT_FPS = (1280, 720), 30


class CameraDevice(NamedTuple):
    """A camera of this machine: FFmpeg's name for it, and one for people."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class CameraRequest:
    """Size and frame rate to request from a camera, which may give others.

    Attributes:
        width, height: pixels; None for 1280 and 720.
        fps: frames per second; None for 30.
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None


class Attempt(NamedTuple):
    """One way to open a camera: arguments for av.open."""

    file: str
    format: str
    options: dict[str, str]


def camera_devices() -> list[CameraDevice]:
    """The cameras of this machine."""
    if _FORMAT == "v4l2":
        return list(_linux_devices())
    with suppress(ValueError, OSError, av.error.FFmpegError):
        return [
            CameraDevice(device.name, device.description)
            for device in av.enumerate_input_devices(_FORMAT)
            if "video" in device.media_types
        ]
    return []


def _linux_devices() -> Iterator[CameraDevice]:
    """The system's list of cameras; FFmpeg's leaves out those that another program uses."""
    nodes = _LINUX_NAMES.iterdir() if _LINUX_NAMES.is_dir() else []
    for node in sorted(nodes, key=lambda path: (len(path.name), path.name)):
        with suppress(OSError):
            yield CameraDevice(f"/dev/{node.name}", (node / "name").read_text().strip())


def devices_here() -> str:
    """The cameras of this machine, as part of a message."""
    found = [f"{device.name} ({device.description})" for device in camera_devices()]
    return f"available cameras: {', '.join(found)}" if found else "this machine has no camera"


def is_device(source: str) -> bool:
    """Whether ``source`` is the number or the name of a camera, not a file or an address."""
    if is_address(source):
        return False
    return source.isdecimal() or source.startswith("/dev/") or not is_present(source)


def attempts(source: str, wanted: CameraRequest) -> list[Attempt]:
    """Ways to open a camera, the best one first.

    Raises:
        InputError: there is no camera of that number or name; the message names those of this machine.
    """
    file = _file(source)
    width, height = wanted.width or _DEFAULT_SIZE[0], wanted.height or _DEFAULT_SIZE[1]
    options = {"video_size": f"{width}x{height}", "framerate": f"{wanted.fps or _DEFAULT_FPS:g}"}
    size_only = {"video_size": options["video_size"]}
    # USB 2 has the bandwidth for high definition at full rate only with JPEG.
    jpeg = {"v4l2": {"input_format": "mjpeg"}, "dshow": {"vcodec": "mjpeg"}}.get(_FORMAT)
    candidates = [options, size_only, {}] if jpeg is None else [{**options, **jpeg}, options, size_only, {}]
    return [Attempt(file, _FORMAT, candidate) for candidate in candidates]


def _file(source: str) -> str:
    if _FORMAT == "v4l2":
        file = f"/dev/video{source}" if source.isdecimal() else source
        if not is_present(file):
            raise InputError(f"camera {source}: no such camera, file or address; {devices_here()}")
        return file
    devices = camera_devices()
    if source.isdecimal() and int(source) < len(devices):
        name = devices[int(source)].name
    elif any(source in device for device in devices):
        name = source
    else:
        raise InputError(f"camera {source}: no such camera, file or address; {devices_here()}")
    return f"video={name}" if _FORMAT == "dshow" else name
