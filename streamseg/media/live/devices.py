"""The cameras of this machine, and how FFmpeg opens them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import av

from streamseg.errors import InputError
from streamseg.media.live.modes import (
    COMPRESSED,
    CameraMode,
    CameraRequest,
    choose_mode,
    parse_avfoundation,
    parse_dshow,
)
from streamseg.media.live.v4l2 import captures_video, v4l2_modes
from streamseg.media.reading.source import is_address, is_present

__all__ = [
    "Attempt",
    "CameraDevice",
    "CameraRequest",
    "attempts",
    "camera_devices",
    "camera_modes",
    "devices_here",
    "is_device",
]

_SYSTEMS = {"darwin": "avfoundation", "win32": "dshow"}
_FORMAT = _SYSTEMS.get(sys.platform, "v4l2")
_LINUX_NAMES = Path("/sys/class/video4linux")


class CameraDevice(NamedTuple):
    """A camera of this machine: FFmpeg's name for it, and one for people."""

    name: str
    description: str


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
            name = (node / "name").read_text(encoding="utf-8").strip()
            if captures_video(f"/dev/{node.name}"):
                yield CameraDevice(f"/dev/{node.name}", name)


def camera_modes(name: str) -> list[CameraMode]:
    """Sizes, formats and frame rates of a camera, by CameraDevice.name; empty where it does not tell."""
    if _FORMAT == "v4l2":
        return v4l2_modes(name)
    if _FORMAT == "dshow":
        return parse_dshow(_log_of(f"video={name}", {"list_options": "true"}))
    # It lists its modes only with the error for a size that it does not have.
    return parse_avfoundation(_log_of(name, {"video_size": "1x1"}))


def _log_of(file: str, options: dict[str, str]) -> str:
    """What FFmpeg prints while it fails to open a device."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as messages, suppress(av.error.FFmpegError, OSError, ValueError):
            av.open(file, format=_FORMAT, options=options).close()
    finally:
        av.logging.set_level(level)
    return "".join(text for _, _, text in messages)


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
    name = _name(source)
    file = f"video={name}" if _FORMAT == "dshow" else name
    options = {"video_size": "{}x{}".format(*wanted.size), "framerate": f"{wanted.rate:g}"}
    size_only = {"video_size": options["video_size"]}
    candidates = [options, size_only, {}]
    key = {"v4l2": "input_format", "dshow": "vcodec"}.get(_FORMAT)
    if mode := choose_mode(camera_modes(name), wanted):
        candidates.insert(0, _mode_options(mode, wanted))
    elif key is not None:
        # USB 2 has the bandwidth for high definition at full rate only with JPEG.
        candidates.insert(0, {**options, key: "mjpeg"})
    return [Attempt(file, _FORMAT, candidate) for candidate in candidates]


def _mode_options(mode: CameraMode, wanted: CameraRequest) -> dict[str, str]:
    options = {"video_size": f"{mode.width}x{mode.height}", "framerate": f"{mode.rate_for(wanted.rate):g}"}
    if not mode.pixel_format:
        return options
    is_codec = mode.pixel_format in COMPRESSED
    key = "input_format" if _FORMAT == "v4l2" else "vcodec" if is_codec else "pixel_format"
    return {**options, key: mode.pixel_format}


def _name(source: str) -> str:
    """FFmpeg's name of a camera."""
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
    return name
