"""Live frames matted and composited on the host; the network may be on another device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamseg.device import Device
from streamseg.frame import Frame
from streamseg.runtime import Stage

from ..framing import AutoFramer
from ..live_background import LiveBackground
from ..matting import CutoutMaker, smoothing_stages
from ..motion import MotionEstimator, TrackedFrame
from ..tracking import PendingInference, SubjectTracker
from .base import Composite, LiveSettings

__all__ = ["HostStages"]


class HostStages:
    """See LiveStages; the same object may be used for several runs of frames, one after the other.

    Args:
        device: runs the network.
        settings: at the start.
        background: behind the frames.
        started: called with each frame whose work has begun, with whether the network sees it.

    Attributes:
        framer: shows a part of the frame, with ``auto_frame``.
        tracker: keeps the subject and the schedule of inferences.
    """

    on_gpu = False

    def __init__(
        self, device: Device, settings: LiveSettings, background: LiveBackground, started: Callable[[bool], None]
    ) -> None:
        speed = settings.matting
        self._settings, self._background, self._started = settings, background, started
        self._motion = MotionEstimator(speed.flow_size)
        self._cut_out = CutoutMaker(settings.steady, settings.edges)
        self.framer = AutoFramer()
        self.tracker = SubjectTracker(device, settings.steady, speed.schedule(), longest=speed.matte_size)

    def change(self, settings: LiveSettings) -> None:
        """Use other settings from the next frame on."""
        self._settings = settings
        self.tracker.steady = self._cut_out.steady = settings.steady
        self._cut_out.edges = settings.edges

    def takes(self, frame: Frame) -> bool:
        return True

    def stages(self) -> list[Stage[Any, Any]]:
        self._motion = MotionEstimator(self._settings.matting.flow_size)  # knows no frame, so a scene begins
        return [
            Stage("motion", self._start),
            Stage("filter", self.tracker.complete),
            *smoothing_stages(self._settings.delay),
            Stage("composite", self._composite),
        ]

    def close(self) -> None:
        pass

    def _start(self, frame: Frame) -> PendingInference:
        pending = self.tracker.start(self._motion(frame))
        self._started(pending.inference is not None)
        return pending

    def _composite(self, tracked: TrackedFrame) -> Composite:
        cutout = self._cut_out(tracked)
        if self._settings.auto_frame:
            cutout = self.framer(cutout, tracked.motion is None)
        return Composite(self._background.apply(*cutout), cutout.matte)
