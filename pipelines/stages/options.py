"""How mattes are made: Matting, and what its speeds mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from streamseg.errors import OptionError
from streamseg.matting.choosing.choice import SubjectChoice
from streamseg.matting.motion.estimate import FLOW_SIZE
from streamseg.matting.temporal.filter import MATTE_SIZE
from streamseg.matting.tracking.inference import InferenceSchedule

__all__ = ["SPEEDS", "Matting", "Speed", "device_for"]


class Speed(NamedTuple):
    """What a speed means.

    Attributes:
        every: the network sees every n-th frame.
        full_every, idle_frames: see streamseg.matting.tracking.inference.InferenceSchedule.
        flow_size, matte_size: longer side of the luma images that motion is estimated on, in pixels, and of the matte
            grid, in cells.
    """

    every: int = 1
    full_every: int | None = 1
    flow_size: int = FLOW_SIZE
    matte_size: int = MATTE_SIZE
    idle_frames: int = 0

    def schedule(self) -> InferenceSchedule:
        """A schedule of inferences for one stream."""
        return InferenceSchedule(self.every, self.full_every, self.idle_frames)

    @property
    def variants(self) -> str:
        """The variants of the network that it needs: "full", "lite" or "both", see streamseg.device.open_device."""
        return "lite" if self.full_every is None else "full" if self.full_every == 1 else "both"


SPEEDS = {
    "best": Speed(full_every=3, matte_size=MATTE_SIZE * 5 // 4),
    "balanced": Speed(2, full_every=0),
    "live": Speed(3, full_every=None),
    "live-every": Speed(full_every=None),
    "fast": Speed(3, None, FLOW_SIZE * 3 // 5, MATTE_SIZE * 5 // 8, idle_frames=3),
}


def device_for(choice: SubjectChoice, device: str) -> str:
    """The device for a chosen subject, by name: the CPU, also where it is "auto".

    Raises:
        OptionError: the device is a GPU, which cannot.
    """
    if choice.is_automatic or device == "cpu":
        return device
    if device == "cuda":
        raise OptionError("device cuda: a subject cannot be chosen on a GPU; use the device cpu")
    return "cpu"


@dataclass(frozen=True, slots=True)
class Matting:
    """How mattes are made.

    Attributes:
        steady: 0 to 1: how much the past counts; 0 mattes every frame independently.
        look_ahead: how many later frames a matte uses; 0 for live frames.
        edges: refine alpha in the frame's own detail where it is uncertain, and remove the old background's colour.
        speed: "best", "balanced", "live", "live-every" (live where there is time for every frame) or "fast".
        auto_frame: show the part of the frame around the subject, enlarged; see
            streamseg.matting.tracking.framing.Framing. Not on a GPU.
        subject: which of what is found is kept: a SubjectChoice, or SubjectPoint and SubjectBox, one or several (see
            streamseg.matting.choosing.choice); None for all of it.

    Raises:
        OptionError: one of them is out of range.
    """

    steady: float = 0.5
    look_ahead: int = 2
    edges: bool = True
    speed: str = "best"
    auto_frame: bool = False
    subject: Any = None

    def __post_init__(self) -> None:
        if not 0 <= self.steady <= 1:
            raise OptionError(f"steady {self.steady:g}: expected 0 (every frame independently) to 1")
        if self.look_ahead < 0:
            raise OptionError(f"look_ahead {self.look_ahead}: expected 0 or more frames")
        if self.speed not in SPEEDS:
            raise OptionError(f"speed {self.speed!r}: expected {', '.join(SPEEDS)}")
        if self.subject is not None:
            SubjectChoice.of(self.subject)

    @property
    def choice(self) -> SubjectChoice | None:
        """The chosen subject; None where all that is found is kept."""
        choice = None if self.subject is None else SubjectChoice.of(self.subject)
        return None if choice is None or choice.is_automatic else choice

    @property
    def settings(self) -> Speed:
        """What the speed means."""
        return SPEEDS[self.speed]

    @property
    def every(self) -> int:
        """The network sees every n-th frame."""
        return self.settings.every

    @property
    def variants(self) -> str:
        """The variants of the network that the speed needs, see Speed."""
        return self.settings.variants

    def check(self, device: str) -> None:
        """Raises OptionError if the device of that name does not do all of it."""
        if self.auto_frame and device != "cpu":
            raise OptionError("auto-frame: a GPU does not do it; choose the device cpu")
        if self.choice is not None:
            device_for(self.choice, device)
