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
from streamseg.media.source import is_address, is_present

__all__ = ["Attempt", "CameraDevice", "CameraRequest", "attempts", "camera_devices", "devices_here", "is_device"]

_SYSTEMS = {"darwin": "avfoundation", "win32": "dshow"}
_FORMAT = _SYSTEMS.get(sys.platform, "v4l2")
_LINUX_NAMES = Path("/sys/class/video4linux")
#: What is asked of a camera of which nothing is asked.
_USUAL_SIZE, _USUAL_FPS = (1280, 720), 30


class CameraDevice(NamedTuple):
    """A camera of this machine: what FFmpeg opens, and what people call it."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class CameraRequest:
    """What is asked of a camera; it may give something else. None leaves it to us.

    Attributes:
        width, height: pixels.
        fps: frames per second.
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None


class Attempt(NamedTuple):
    """One way to open a camera: arguments of av.open."""

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
    """The system's own list: FFmpeg's leaves out cameras that another program uses."""
    nodes = _LINUX_NAMES.iterdir() if _LINUX_NAMES.is_dir() else []
    for node in sorted(nodes, key=lambda path: (len(path.name), path.name)):
        with suppress(OSError):
            yield CameraDevice(f"/dev/{node.name}", (node / "name").read_text().strip())


def devices_here() -> str:
    """A clause that names the cameras of this machine."""
    found = [f"{device.name} ({device.description})" for device in camera_devices()]
    return f"there are {', '.join(found)}" if found else "this machine has no camera"


def is_device(source: str) -> bool:
    """Whether ``source`` names a camera of this machine, not a file or an address."""
    if is_address(source):
        return False
    return source.isdecimal() or source.startswith("/dev/") or not is_present(source)


def attempts(source: str, wanted: CameraRequest) -> list[Attempt]:
    """How to open a camera, the best way first.

    Raises:
        InputError: no camera has that number or name; the message names those that there are.
    """
    file = _file(source)
    width, height = wanted.width or _USUAL_SIZE[0], wanted.height or _USUAL_SIZE[1]
    options = {"video_size": f"{width}x{height}", "framerate": f"{wanted.fps or _USUAL_FPS:g}"}
    size_alone = {"video_size": options["video_size"]}
    # Over USB 2 only JPEG gives high definition at full rate.
    compressed = {"v4l2": {"input_format": "mjpeg"}, "dshow": {"vcodec": "mjpeg"}}.get(_FORMAT)
    ways = [options, size_alone, {}] if compressed is None else [{**options, **compressed}, options, size_alone, {}]
    return [Attempt(file, _FORMAT, way) for way in ways]


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
