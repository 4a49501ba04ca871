"""What the steps around the network cost one core, one after the other, on the frames of a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from time import perf_counter
from typing import Any

from streamseg.device.cpu.arithmetic import best_arithmetic
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.looks import WHOLE_LOOK, Look
from streamseg.media.reader import VideoReader
from streamseg.media.target import Encoding, choose_target
from streamseg.runtime import Stage

from .effect import open_effect
from .matting import Matting, matting_stages
from .segmenter import Segmenter

__all__ = ["step_costs", "steps_table"]

_FRAMES = 56
# Nothing is held back yet, and graphs are compiled, in these.
_WARM_UP = 16


class _Timed:
    """A device whose steps are timed by ``clock``."""

    name = "timed"

    def __init__(self, device: Any, clock: _Clock) -> None:
        self._device, self._clock = device, clock

    def prepare(self, frame: Frame, look: Look = WHOLE_LOOK) -> Any:
        return self._clock("prepare", self._device.prepare, frame, look)

    def network(self, prepared: Any) -> Any:
        return self._clock("inference", self._device.network, prepared)

    def saliency(self, begun: Any) -> Any:
        return self._clock("inference", self._device.saliency, begun)

    def composite(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        composed: Frame = self._clock("composite", self._device.composite, frame, matte, background)
        return composed

    def another(self) -> _Timed:
        return _Timed(self._device.another(), self._clock)


class _Clock:
    """Adds up seconds by name."""

    def __init__(self) -> None:
        self.frames = 0
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def __call__(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        started = perf_counter()
        try:
            return call(*arguments)
        finally:
            self.seconds[name] += perf_counter() - started

    def next_frame(self) -> None:
        """Count one more; forgets those of the warm-up at its end."""
        self.frames += 1
        if self.frames == _WARM_UP:
            self.seconds.clear()

    def milliseconds(self, name: str) -> float:
        """The mean of all frames but those of the warm-up."""
        return 1000 * self.seconds[name] / max(1, self.frames - _WARM_UP)


def step_costs(source: str, background: str, matting: Matting, **network: Any) -> dict[str, float]:
    """Mean milliseconds a frame of each step, for the first frames of ``source``, nothing beside it.

    "motion", "prepare", "memory", "settle", "edges", "composite", and "background", what it takes to have that for a
    frame (of a cut-out: to make it); not the network itself. Of a file of a few frames, 0 or less than there is.

    Raises:
        InputError, OptionError: the source or the background cannot be used.
    """
    clock = _Clock()
    device = _Timed(Segmenter(**{**network, "threads": 1}, forms=matting.forms).device, clock)
    with VideoReader(source, tolerant=True) as reader:
        target = choose_target("out.mp4", reader.info.shape.format, False, Encoding())
        shape = reader.deliver(target.format, target.even)
        effect = open_effect(background, device, shape, target.format)
        stages = matting_stages(device, matting, lag=0)
        try:
            frames = (item for item in reader if isinstance(item, Frame))
            for frame in islice(frames, _FRAMES):
                for cutout in _through(stages, clock, frame):
                    clock("effect", effect.apply, *cutout)
                clock.next_frame()
        finally:
            effect.close()
    return _named(clock.milliseconds)


def _through(stages: list[Stage[Any, Any]], clock: _Clock, frame: Frame) -> Iterator[Any]:
    """What comes out when ``frame`` goes in."""
    items: list[Any] = [frame]
    for stage in stages:
        results = [clock(stage.name, stage.call, item) for item in items]
        items = results if stage.finish is None else [one for some in results for one in some]
    yield from items


def _named(cost: Callable[[str], float]) -> dict[str, float]:
    """The steps apart: stages less what the device did inside of them."""
    return {
        "motion": cost("motion"),
        "prepare": cost("prepare"),
        "memory": cost("network") - cost("prepare") - cost("inference"),
        "settle": cost("settle") + cost("even"),
        "edges": cost("edges"),
        "composite": cost("composite"),
        "background": cost("effect") - cost("composite"),
    }


def steps_table(costs: dict[str, float]) -> str:
    """For people."""
    lines = [f"{name:<12}{cost:8.2f}" for name, cost in costs.items()]
    total = sum(costs.values())
    return "\n".join(
        [
            f"on one core, nothing beside it, ms a frame (arithmetic in {best_arithmetic().name}):",
            *lines,
            f"{'together':<12}{total:8.2f}",
        ]
    )
