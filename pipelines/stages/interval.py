"""How often the network runs on live frames: as often as the machine has time for."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from time import process_time
from typing import Any

import numpy as np

from streamseg.device import Device
from streamseg.matting.tracking.inference import InferenceSchedule
from streamseg.media.images import image_frame
from streamseg.media.live.clock import LiveClock
from streamseg.runtime import usable_cores
from streamseg.runtime.cores import busy_seconds

__all__ = ["IntervalController", "Load", "LoadMonitor", "measured_inference"]

# Utilisation of the cores above which the network runs less often, and below which more often.
_HIGH_LOAD, _LOW_LOAD = 0.9, 0.78
# The same by all programs, for then frames wait for a core; the network leaves others time as long as it takes more
# than this part of the cores itself.
_HIGH_MACHINE_LOAD, _LOW_MACHINE_LOAD, _LEAST_SHARE = 0.85, 0.7, 0.15
# Fraction of frames dropped above which it runs less often: more than one frame between two decisions, twice in a row,
# for now and then two inferences on one frame, or another program, take the time of a few; and many frames, at once.
_HIGH_DROPS, _MANY_DROPS = 0.05, 0.2
# Decisions before a failed attempt to run more often is repeated: at first, and at most, doubled at each failure.
_BACKOFF, _LONGEST_BACKOFF = 10, 320
_DEFAULT_FRAME_S = 1 / 30
# Frames between two decisions.
_DECIDE_EVERY = 30


@dataclass(frozen=True, slots=True)
class Load:
    """The load since the last decision.

    Attributes:
        frame_s: seconds between two frames of the camera.
        busy: utilisation of the cores by this process, 0 to 1.
        dropped: fraction of the frames that were dropped, 0 to 1.
        machine: utilisation of the cores by all programs, 0 to 1; 0 if it is not known.
    """

    frame_s: float
    busy: float
    dropped: float
    machine: float = 0.0


@dataclass
class IntervalController:
    """Chooses ``every``: the network sees every n-th frame.

    Args:
        inference_s: CPU seconds of one inference, measured beforehand.
        most: the largest interval in frames.
        cores: that may be used.
    """

    inference_s: float
    most: int = 6
    cores: int = field(default_factory=usable_cores)
    every: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        self._hold, self._backoff, self._dropped_before = 0, _BACKOFF, False
        # Half of the machine for the network, the other half for all other stages.
        self.every = min(self.most, max(1, ceil(2 * self._share(_DEFAULT_FRAME_S))))

    def decide(self, load: Load) -> int:
        """The new ``every``, one step away at most."""
        self._hold = max(0, self._hold - 1)
        dropped, before = load.dropped > _HIGH_DROPS, self._dropped_before
        self._dropped_before = dropped and not before
        crowded = load.machine > _HIGH_MACHINE_LOAD and self._share(load.frame_s) / self.every > _LEAST_SHARE
        if (dropped and (before or load.dropped > _MANY_DROPS)) or load.busy > _HIGH_LOAD or crowded:
            self._less_often()
        elif self.every > 1 and not self._hold:
            more = self._share(load.frame_s) * (1 / (self.every - 1) - 1 / self.every)
            self.every -= int(load.busy + more < _LOW_LOAD and load.machine + more < _LOW_MACHINE_LOAD)
        return self.every

    def _less_often(self) -> None:
        if self.every == self.most:
            return
        self.every += 1
        self._hold, self._backoff = self._backoff, min(_LONGEST_BACKOFF, 2 * self._backoff)

    def _share(self, frame_s: float) -> float:
        """Utilisation of the cores by an inference on every frame."""
        return self.inference_s / (self.cores * max(frame_s, 1e-3))


def measured_inference(device: Device) -> float:
    """CPU seconds of one inference: the second of two."""
    grey = image_frame(np.full((64, 64, 3), 127, np.uint8))
    seconds = 0.0
    for _ in range(2):
        before = process_time()
        device.saliency(device.network(device.prepare(grey)))
        seconds = process_time() - before
    return seconds


class LoadMonitor:
    """Measures the load of a live pipeline and sets the interval of its inferences.

    Args:
        schedule: whose ``every`` is set.
        inference_s: CPU seconds of one inference.
    """

    def __init__(self, schedule: InferenceSchedule, inference_s: float) -> None:
        self._schedule, self._controller, self._clock = schedule, IntervalController(inference_s), LiveClock()
        self._frames = 0
        self._before = self._readings(0, 0)
        schedule.every = self._controller.every

    def _readings(self, arrived: int, dropped: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([self._clock.now(), process_time(), busy_seconds() or 0.0, arrived, dropped])

    def count(self, arrived: int, dropped: int) -> None:
        """Count a frame, and decide now and then; ``arrived`` and ``dropped`` are all frames up to now."""
        self._frames += 1
        if self._frames % _DECIDE_EVERY:
            return
        now = self._readings(arrived, dropped)
        seconds, busy, machine, came, lost = (now - self._before).tolist()
        self._before = now
        if self._frames == _DECIDE_EVERY:
            return  # the first frames include all initialisation
        available, came = seconds * self._controller.cores, max(came, 1)
        load = Load(seconds / came, busy / available, lost / came, machine / available)
        self._schedule.every = self._controller.decide(load)
