"""What a background is, and the kind that never changes."""

from __future__ import annotations

from typing import Protocol

from streamseg.frame import Frame, Matte, Plane
from streamseg.media.card_frame import CardFrame

__all__ = ["Background", "Still"]


class Background(Protocol):
    """Gives the planes behind a frame, in the frame's own size, format and colour."""

    def planes(self, frame: Frame | CardFrame, matte: Matte) -> tuple[Plane, ...]:
        """Y, Cb and Cr behind ``frame``. They are valid until the next call; read only."""
        ...

    def close(self) -> None:
        """Release what the background holds."""
        ...


class Still:
    """The same planes behind every frame."""

    def __init__(self, planes: tuple[Plane, ...]) -> None:
        self._planes = planes

    def planes(self, frame: Frame | CardFrame, matte: Matte) -> tuple[Plane, ...]:
        return self._planes

    def close(self) -> None:
        pass
