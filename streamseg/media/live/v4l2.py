"""What a camera on Linux offers, asked by the ioctls of Video4Linux2: FFmpeg lists no frame rates."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress

from streamseg.media.live.modes import CameraMode

__all__ = ["captures_video", "v4l2_modes"]

# Requests and structures of linux/videodev2.h; the requests hold the structures' sizes.
_QUERYCAP, _ENUM_FMT = 0x80685600, 0xC0405602
_ENUM_FRAMESIZES, _ENUM_FRAMEINTERVALS = 0xC02C564A, 0xC034564B
_CAPABILITIES_SIZE, _FORMAT_SIZE, _SIZES_SIZE, _INTERVALS_SIZE = 104, 64, 44, 52
_DEVICE_CAPS_OFFSET, _FOURCC_OFFSET = 88, 44
_VIDEO_CAPTURE, _DISCRETE = 1, 1
# FFmpeg's names of the formats that its device opens.
_NAMES = {
    b"YUYV": "yuyv422",
    b"UYVY": "uyvy422",
    b"YU12": "yuv420p",
    b"422P": "yuv422p",
    b"NV12": "nv12",
    b"RGB3": "rgb24",
    b"BGR3": "bgr24",
    b"GREY": "gray",
    b"MJPG": "mjpeg",
    b"JPEG": "mjpeg",
    b"H264": "h264",
    b"HEVC": "hevc",
    b"VP80": "vp8",
    b"VP90": "vp9",
}
# A driver that never says "no more" must not hang the program.
_MOST_ANSWERS = 200


def captures_video(path: str) -> bool:
    """Whether ``/dev/videoN`` gives images, not metadata as the second node of many cameras; True if unknown."""
    try:
        with _opened(path) as device:
            answer = device.ask(_QUERYCAP, bytearray(_CAPABILITIES_SIZE))
    except OSError:
        return True
    return answer is None or bool(struct.unpack_from("<I", answer, _DEVICE_CAPS_OFFSET)[0] & _VIDEO_CAPTURE)


def v4l2_modes(path: str) -> list[CameraMode]:
    """The modes of a camera, in its own order; empty where it cannot be asked."""
    with suppress(OSError), _opened(path) as device:
        return list(_modes(device))
    return []


class _opened:  # noqa: N801  # used like a function
    """A device node that answers requests; also one that another program uses."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NONBLOCK", 0))

    def __enter__(self) -> _opened:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def ask(self, request: int, structure: bytearray) -> bytes | None:
        """The driver's answer; None for "no more" and for what it does not know."""
        from fcntl import ioctl

        try:
            ioctl(self._descriptor, request, structure)
        except OSError:
            return None
        return bytes(structure)


def _modes(device: _opened) -> Iterator[CameraMode]:
    for index in range(_MOST_ANSWERS):
        question = bytearray(_FORMAT_SIZE)
        struct.pack_into("<II", question, 0, index, _VIDEO_CAPTURE)
        answer = device.ask(_ENUM_FMT, question)
        if answer is None:
            return
        fourcc = answer[_FOURCC_OFFSET : _FOURCC_OFFSET + 4]
        name = _NAMES.get(fourcc, fourcc.decode("ascii", "replace").strip())
        for width, height in _sizes(device, fourcc):
            yield CameraMode(width, height, name, *_rates(device, fourcc, width, height))


def _sizes(device: _opened, fourcc: bytes) -> Iterator[tuple[int, int]]:
    """Each size; of a range the largest one."""
    for index in range(_MOST_ANSWERS):
        question = bytearray(_SIZES_SIZE)
        struct.pack_into("<I4s", question, 0, index, fourcc)
        answer = device.ask(_ENUM_FRAMESIZES, question)
        if answer is None:
            return
        kind, *numbers = struct.unpack_from("<I6I", answer, 8)
        if kind != _DISCRETE:  # minimum, maximum and step of the width, then of the height
            yield numbers[1], numbers[4]
            return
        yield numbers[0], numbers[1]


def _rates(device: _opened, fourcc: bytes, width: int, height: int) -> tuple[tuple[float, ...], bool]:
    """Frames a second, the highest first, and whether that is a range."""
    found: list[float] = []
    for index in range(_MOST_ANSWERS):
        question = bytearray(_INTERVALS_SIZE)
        struct.pack_into("<I4sII", question, 0, index, fourcc, width, height)
        answer = device.ask(_ENUM_FRAMEINTERVALS, question)
        if answer is None:
            break
        kind, *numbers = struct.unpack_from("<I6I", answer, 16)
        if kind != _DISCRETE:  # minimum, maximum and step of the interval, each a fraction
            limits = [_per_second(*numbers[:2]), _per_second(*numbers[2:4])]
            return tuple(sorted(filter(None, limits), reverse=True)), True
        found.append(_per_second(*numbers[:2]))
    return tuple(sorted({rate for rate in found if rate}, reverse=True)), False


def _per_second(numerator: int, denominator: int) -> float:
    return round(denominator / numerator, 3) if numerator else 0.0
