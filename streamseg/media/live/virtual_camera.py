"""A virtual camera for other programs: v4l2loopback on Linux, OBS on macOS and Windows."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter

from streamseg.errors import MissingDependency, OutputError
from streamseg.frame import Frame
from streamseg.media.pixels.conform import Shape
from streamseg.media.pixels.native import native_of, plane_views
from streamseg.media.pixels.scale import to_format

__all__ = ["VirtualCamera"]

_HOW_TO = {
    "linux": "load v4l2loopback: apt-get install v4l2loopback-dkms, then "
    "modprobe v4l2loopback devices=1 exclusive_caps=1 card_label=streamseg",
    "darwin": "install OBS (30 or newer) and start its virtual camera once",
    "win32": "install OBS, which brings a virtual camera",
}
# Programs interpret the frames of a virtual camera as limited-range BT.601.
_MATRIX, _RANGE = 6, 1


class VirtualCamera:
    """Sends frames to a virtual camera.

    Args:
        shape: shape of the frames, 8-bit 4:2:0.
        fps: frame rate that other programs are told.
        device: name of the virtual camera (on Linux a path); None for the first one.

    Raises:
        MissingDependency: pyvirtualcam is not installed.
        OutputError: there is no virtual camera, or it cannot be opened; the message says how to set one up.
    """

    def __init__(self, shape: Shape, fps: float, device: str | None = None) -> None:
        virtual = _import_pyvirtualcam()
        self._colour = replace(shape.colour, matrix=_MATRIX, range=_RANGE)
        self._shape, self._reformatter = shape, VideoReformatter()
        try:
            self._camera: Any = virtual.Camera(
                shape.width, shape.height, fps, fmt=virtual.PixelFormat.I420, device=device
            )
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            how_to = _HOW_TO.get(sys.platform, _HOW_TO["linux"])
            raise OutputError(f"no virtual camera ({reason}); {how_to}") from error

    @property
    def name(self) -> str:
        """Its name in other programs."""
        return str(self._camera.device)

    def write(self, frame: Frame) -> None:
        """Send ``frame``. Raises OutputError if the device no longer accepts frames."""
        try:
            self._camera.send(self._packed(frame))
        except (RuntimeError, OSError) as error:
            raise OutputError(f"virtual camera {self.name}: accepts no more frames ({error})") from error

    def _packed(self, frame: Frame) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """All planes in one array, uint8 [width · height · 3/2]."""
        matrix = frame.colour.matrix_for(frame.width, frame.height)
        planes = frame.planes
        if frame.colour.full_range or matrix not in (5, _MATRIX):
            pixel_format, size = self._shape.format, (frame.width, frame.height)
            native = to_format(native_of(frame), pixel_format, *size, frame.colour, self._colour, self._reformatter)
            planes = plane_views(native, pixel_format)
        return np.concatenate([np.ravel(plane) for plane in planes])

    def close(self) -> None:
        """Release the device."""
        self._camera.close()


def _import_pyvirtualcam() -> Any:
    try:
        import pyvirtualcam
    except ImportError as error:
        raise MissingDependency(
            'a virtual camera needs pyvirtualcam: pip install "streamseg[virtual-camera]"'
        ) from error
    return pyvirtualcam
