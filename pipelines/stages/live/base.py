"""What live frames take and give, wherever they are composited: their settings, composites, and stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from streamseg.errors import OptionError
from streamseg.frame import Frame, Matte
from streamseg.runtime import Stage

from ..options import SPEEDS, Matting, Speed

__all__ = ["AUTO", "Composite", "LiveSettings", "LiveStages"]

#: The speed whose interval of inferences follows the load of the machine.
AUTO = "auto"
# A quarter of a second at 30 frames a second; more look-ahead makes no better mattes.
_MOST_DELAY = 8


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """How live frames are composited.

    Attributes:
        background: an image, a video, "blur" or "blur:STRENGTH", a colour, or "matte".
        steady, edges: see Matting.
        speed: "best", "balanced" or "fast", see Matting; "auto" is "live" with the interval of
            inferences chosen from the measured load.
        light: with "auto", the lower resolutions of "fast" for motion and mattes: for a machine with more to do.
        auto_frame: see Matting.
        delay: how many later frames a matte uses, 0 to 8: each frame comes out that many frames later, with a steadier
            matte that follows movement on both sides.

    Raises:
        OptionError: one of them is out of range.
    """

    background: str = "blur"
    steady: float = 0.5
    edges: bool = True
    speed: str = AUTO
    light: bool = False
    auto_frame: bool = False
    delay: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.delay, int) or not 0 <= self.delay <= _MOST_DELAY:
            raise OptionError(f"delay {self.delay!r}: expected 0 to {_MOST_DELAY} frames")
        if self.speed != AUTO and self.speed not in SPEEDS:
            raise OptionError(f"speed {self.speed!r}: expected {AUTO}, {', '.join(SPEEDS)}")
        Matting(self.steady, look_ahead=0, edges=self.edges)

    @property
    def matting(self) -> Speed:
        """What the speed means; with "auto" the interval is chosen elsewhere."""
        if self.speed == AUTO:
            return SPEEDS["fast" if self.light else "live"]
        return SPEEDS[self.speed]


class Composite(NamedTuple):
    """A composited frame, and the matte it was made with."""

    frame: Frame
    matte: Matte


class LiveStages(Protocol):
    """The stages from frames to composites. What they know of the frames before ends with ``close``."""

    @property
    def on_gpu(self) -> bool:
        """Whether all of the work is done on a GPU."""
        ...

    def takes(self, frame: Frame) -> bool:
        """Whether ``frame`` can follow those before it; asked for each before its first stage, in order."""
        ...

    def stages(self) -> list[Stage[Any, Any]]:
        """The stages from a Frame to a Composite, for frames that follow no others; asked for once."""
        ...

    def close(self) -> None:
        """Release what the frames needed, once all stages have ended."""
        ...
