"""The stages from frames to cut-outs, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from streamseg.device import Device
from streamseg.device.cpu.matting.backend import best_backend
from streamseg.frame import Frame
from streamseg.matting.edges.cutout import Cutout, EdgeRefiner
from streamseg.matting.tracking.near import SubjectFigures
from streamseg.runtime import Stage

from .framing import AutoFramer
from .gpu import gpu_stages
from .motion import MotionEstimator, TrackedFrame
from .options import Matting
from .smoothing import AmbiguityResolver, LookAheadSmoother, TemporalAverager
from .tracking import SubjectTracker

__all__ = ["CutoutMaker", "cut_outs", "matting_stages", "smoothing_stages"]


class CutoutMaker:
    """TrackedFrame → Cutout: its ambiguous regions are decided, its edges refined.

    Args:
        steady, edges: see Matting.

    Attributes:
        steady, edges: as above; may be changed between two frames.
    """

    def __init__(self, steady: float, edges: bool) -> None:
        self._resolve, self._refine = AmbiguityResolver(steady), EdgeRefiner(edges, best_backend())
        self.steady, self.edges = steady, edges

    def __call__(self, tracked: TrackedFrame) -> Cutout:
        """The cut-out of the next frame."""
        self._resolve.steady, self._refine.edges = self.steady, self.edges
        return self._refine(tracked.frame, self._resolve(tracked))


def matting_stages(
    device: Device, matting: Matting, lag: int, figures: SubjectFigures | None = None
) -> list[Stage[Any, Any]]:
    """The stages from a Frame to a Cutout.

    Args:
        lag: see SubjectTracker; as many as there are frames in flight. A GPU has a lag of its own: none if this is 0.
        figures: count what the subject is taken for.
    """
    if device.name == "cuda":
        matting.check(device.name)
        return gpu_stages(device, matting, ahead=lag > 0, figures=figures)
    speed = matting.settings
    motion, cut_out = MotionEstimator(speed.flow_size), CutoutMaker(matting.steady, matting.edges)
    subject: dict[str, Any] = {"choice": matting.choice, "figures": figures}
    tracker = SubjectTracker(device, matting.steady, speed.schedule(), lag, speed.matte_size, **subject)
    return [
        Stage("motion", motion),
        Stage("network", tracker, tracker.finish),
        *smoothing_stages(matting.look_ahead if matting.steady else 0),
        *_cutout_stages(cut_out, matting.auto_frame),
    ]


def _cutout_stages(cut_out: CutoutMaker, auto_frame: bool) -> list[Stage[Any, Any]]:
    if not auto_frame:
        return [Stage("edges", cut_out)]
    framer = AutoFramer()
    return [
        Stage("edges", lambda tracked: (cut_out(tracked), tracked.motion is None)),
        Stage("framing", lambda refined: framer(*refined)),
    ]


def smoothing_stages(look_ahead: int) -> list[Stage[Any, Any]]:
    """The stages that wait for ``look_ahead`` later frames, the last of which is for the average; none for 0."""
    if not look_ahead:
        return []
    smoother, averager = LookAheadSmoother(look_ahead - 1), TemporalAverager()
    return [Stage("smooth", smoother, smoother.finish), Stage("average", averager, averager.finish)]


def cut_outs(
    frames: Iterable[Frame], device: Device, matting: Matting, lag: int = 0, figures: SubjectFigures | None = None
) -> Iterator[Cutout]:
    """The same without threads: one cut-out for each frame, in order."""
    stream: Iterator[Any] = iter(frames)
    for stage in matting_stages(device, matting, lag, figures):
        stream = _through(stage, stream)
    return stream


def _through(stage: Stage[Any, Any], items: Iterator[Any]) -> Iterator[Any]:
    if stage.finish is None:
        yield from map(stage.call, items)
        return
    for item in items:
        yield from stage.call(item)
    yield from stage.finish()
