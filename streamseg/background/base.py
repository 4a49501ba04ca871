"""The interface of backgrounds, and the one that never changes."""

from __future__ import annotations

from typing import Protocol

from streamseg.frame import Frame, Matte, Plane
from streamseg.media.pixels.gpu_frame import GPUFrame

__all__ = ["Background", "StillBackground"]


class Background(Protocol):
    """Gives the planes behind a frame, in the frame's size, pixel format and colour."""

    def planes(self, frame: Frame | GPUFrame, matte: Matte) -> tuple[Plane, ...]:
        """Y, Cb and Cr behind ``frame``, each [rows, columns]. Read-only; valid until the next call."""
        ...

    def close(self) -> None:
        """Release files and memory."""
        ...


class StillBackground:
    """The same planes behind every frame."""

    def __init__(self, planes: tuple[Plane, ...]) -> None:
        self._planes = planes

    def planes(self, frame: Frame | GPUFrame, matte: Matte) -> tuple[Plane, ...]:
        return self._planes

    def close(self) -> None:
        pass
