"""What the steps around the network cost on one core, one after the other, on the frames of a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from time import perf_counter
from typing import Any

from streamseg.device.cpu.matting.backend import best_backend
from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.tracking.inference import FULL_FRAME_INFERENCE, Inference
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.runtime import Stage

from ..segmenter import Segmenter
from ..stages.effect import open_effect
from ..stages.matting import matting_stages
from ..stages.options import Matting

__all__ = ["OLD_STEPS", "step_costs", "steps_table"]

#: Keys of step_costs in the JSON of the release before → their new names.
OLD_STEPS = {"memory": "filter", "settle": "smoothing"}

_FRAMES = 56
# Frames before the timing: until stages have held frames back, and graphs are compiled.
_WARM_UP = 16


class _TimedDevice:
    """A device whose steps are timed by ``timer``."""

    name = "timed"

    def __init__(self, device: Any, timer: _Timer) -> None:
        self._device, self._timer = device, timer
        self.sizes, self.subject = device.sizes, device.subject

    def prepare(self, frame: Frame, inference: Inference = FULL_FRAME_INFERENCE) -> Any:
        return self._timer("prepare", self._device.prepare, frame, inference)

    def network(self, prepared: Any) -> Any:
        return self._timer("inference", self._device.network, prepared)

    def saliency(self, pending: Any) -> Any:
        return self._timer("inference", self._device.saliency, pending)

    def person_map(self, pending: Any) -> Any:
        return self._timer("inference", self._device.person_map, pending)

    def composite(self, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> Frame:
        composite: Frame = self._timer("composite", self._device.composite, frame, matte, background)
        return composite

    def another(self) -> _TimedDevice:
        return _TimedDevice(self._device.another(), self._timer)


class _Timer:
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
        """Count a frame; at the end of the warm-up, forget its seconds."""
        self.frames += 1
        if self.frames == _WARM_UP:
            self.seconds.clear()

    def milliseconds(self, name: str) -> float:
        """The mean over all frames after the warm-up."""
        return 1000 * self.seconds[name] / max(1, self.frames - _WARM_UP)


def step_costs(source: str, background: str, matting: Matting, **network: Any) -> dict[str, float]:
    """Mean milliseconds a frame of each step, for the first frames of ``source``, with nothing else running.

    "motion", "prepare", "filter", "smoothing", "edges", "composite", and "background": providing that for a frame, or
    making a cut-out. The network itself is not included. For a file of only a few frames, 0 or too little.

    Raises:
        InputError, OptionError: the source or the background cannot be used.
    """
    timer = _Timer()
    device = _TimedDevice(Segmenter(**{**network, "threads": 1}, variants=matting.variants).device, timer)
    with VideoReader(source, tolerant=True) as reader:
        target = choose_target("out.mp4", reader.info.shape.format, False, Encoding())
        shape = reader.deliver(target.format, target.even)
        effect = open_effect(background, device, shape, target.format)
        stages = matting_stages(device, matting, lag=0)
        try:
            frames = (item for item in reader if isinstance(item, Frame))
            for frame in islice(frames, _FRAMES):
                for cutout in _through(stages, timer, frame):
                    timer("effect", effect.apply, *cutout)
                timer.next_frame()
        finally:
            effect.close()
    return _by_step(timer.milliseconds)


def _through(stages: list[Stage[Any, Any]], timer: _Timer, frame: Frame) -> Iterator[Any]:
    """What the stages return for ``frame``."""
    items: list[Any] = [frame]
    for stage in stages:
        results = [timer(stage.name, stage.call, item) for item in items]
        items = results if stage.finish is None else [item for returned in results for item in returned]
    yield from items


def _by_step(cost: Callable[[str], float]) -> dict[str, float]:
    """Each step alone: the cost of a stage without that of the device's steps inside it."""
    return {
        "motion": cost("motion"),
        "prepare": cost("prepare"),
        "filter": cost("network") - cost("prepare") - cost("inference"),
        "smoothing": cost("smooth") + cost("average"),
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
            f"on one core, nothing else running, ms a frame (matting backend: {best_backend().name}):",
            *lines,
            f"{'total':<12}{total:8.2f}",
        ]
    )
