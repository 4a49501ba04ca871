"""From frames to cut-outs: the matte found, kept steady and made sharp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from streamseg.device import Device
from streamseg.device.cpu.arithmetic import best_arithmetic
from streamseg.errors import OptionError
from streamseg.frame import Frame
from streamseg.matting.looks import Looks
from streamseg.matting.motion import THUMBNAIL
from streamseg.matting.sharpener import Cutout, Sharpener
from streamseg.matting.steady import GRID
from streamseg.runtime import Stage

from .card import card_stages
from .follow import Follower, Shot, Watcher
from .settle import Evener, Settler

__all__ = ["SPEEDS", "Matting", "Speed", "cut_outs", "matting_stages"]


class Speed(NamedTuple):
    """What a speed means.

    Attributes:
        every: the network sees every so manyth frame.
        fine: how often the network looks in its fine form, see streamseg.matting.looks.Looks.
        picture, grid: longer sides of the pictures that motion is found on and mattes are remembered on, in pixels.
        calm: frames more between two looks where nothing new is to be seen, see streamseg.matting.looks.Looks.
    """

    every: int = 1
    fine: int | None = 1
    picture: int = THUMBNAIL
    grid: int = GRID
    calm: int = 0

    def looks(self) -> Looks:
        """The schedule of a stream."""
        return Looks(self.every, self.fine, self.calm)

    @property
    def forms(self) -> str:
        """The forms of the network that it needs, see streamseg.device.open_device."""
        return "coarse" if self.fine is None else "fine" if self.fine == 1 else "both"


SPEEDS = {
    "best": Speed(fine=3, grid=GRID * 5 // 4),
    "balanced": Speed(2, fine=0),
    "live": Speed(3, fine=None),
    "fast": Speed(3, None, THUMBNAIL * 3 // 5, GRID * 5 // 8, calm=3),
}


@dataclass(frozen=True, slots=True)
class Matting:
    """How mattes are made.

    Attributes:
        steady: 0 to 1: how much of the past is in a matte; 0 is every frame by itself.
        look_ahead: frames that a matte knows of the future; 0 for live pictures.
        edges: refine edges in the frame's own detail and take the old background's colour out of them.
        speed: "best", "balanced", "live" or "fast".

    Raises:
        OptionError: one of them is out of range.
    """

    steady: float = 0.5
    look_ahead: int = 2
    edges: bool = True
    speed: str = "best"

    def __post_init__(self) -> None:
        if not 0 <= self.steady <= 1:
            raise OptionError(f"steady {self.steady:g}: expected 0 (every frame by itself) to 1")
        if self.look_ahead < 0:
            raise OptionError(f"look_ahead {self.look_ahead}: expected 0 or more frames")
        if self.speed not in SPEEDS:
            raise OptionError(f"speed {self.speed!r}: expected {', '.join(SPEEDS)}")

    @property
    def pace(self) -> Speed:
        """What the speed means."""
        return SPEEDS[self.speed]

    @property
    def every(self) -> int:
        """The network sees every so manyth frame."""
        return self.pace.every

    @property
    def forms(self) -> str:
        """The forms of the network that the speed needs, see streamseg.device.open_device."""
        return self.pace.forms


def matting_stages(device: Device, matting: Matting, lag: int) -> list[Stage[Any, Any]]:
    """The stages from a Frame to a Cutout.

    Args:
        lag: see Follower; as many as there are frames in flight. A card has a lag of its own: none if this is 0.
    """
    if device.name == "cuda":
        return card_stages(device, matting, ahead=lag > 0)
    speed = matting.pace
    watch, sharpen = Watcher(speed.picture), Sharpener(matting.edges, best_arithmetic())
    follow = Follower(device, matting.steady, speed.looks(), lag, speed.grid)
    return [
        Stage("motion", watch),
        Stage("network", follow, follow.finish),
        *_with_the_future(matting.look_ahead if matting.steady else 0),
        Stage("edges", lambda shot: _sharpened(sharpen, shot)),
    ]


def _with_the_future(look_ahead: int) -> list[Stage[Any, Any]]:
    """Of the frames that a matte knows of, the last is for its mean with its neighbours."""
    if not look_ahead:
        return []
    settle, even = Settler(look_ahead - 1), Evener()
    return [Stage("settle", settle, settle.finish), Stage("even", even, even.finish)]


def _sharpened(sharpen: Sharpener, shot: Shot) -> Cutout:
    assert shot.alpha is not None
    return sharpen(shot.frame, shot.alpha)


def cut_outs(frames: Iterable[Frame], device: Device, matting: Matting, lag: int = 0) -> Iterator[Cutout]:
    """The same without threads: one cut-out for each frame, in order."""
    stream: Iterator[Any] = iter(frames)
    for stage in matting_stages(device, matting, lag):
        stream = _through(stage, stream)
    return stream


def _through(stage: Stage[Any, Any], items: Iterator[Any]) -> Iterator[Any]:
    if stage.finish is None:
        yield from map(stage.call, items)
        return
    for item in items:
        yield from stage.call(item)
    yield from stage.finish()
