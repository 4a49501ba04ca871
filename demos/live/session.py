"""Live pipelines for visitors: they share one network, loaded once in each variant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from streamseg.pipelines.live import Composite, LivePipeline, LiveSettings, open_live_device

from streamseg.device import Device
from streamseg.matting.choosing.choice import SubjectPoint
from streamseg.media.live.clock import LiveClock

from ..choices import Choices

__all__ = ["LiveSession", "SharedDevice"]


class SharedDevice:
    """Opens devices that share their network; may be used from any thread.

    Args:
        network_options: see Segmenter: model, weights, precision, device, threads.
    """

    def __init__(self, **network_options: Any) -> None:
        self._network_options = network_options
        self._lock = Lock()
        self._devices: dict[str, Device] = {}

    def preload(self) -> None:
        """Load the network that most visitors need. Raises StreamsegError if that fails."""
        self.open(LiveSettings())

    def open(self, settings: LiveSettings) -> Device:
        """A device for one pipeline; the first that needs a variant loads the network. Raises StreamsegError."""
        variants = settings.matting.variants
        with self._lock:
            if variants not in self._devices:
                self._devices[variants] = open_live_device(settings, **self._network_options)
            return self._devices[variants].another()


class LiveSession:
    """The live pipeline of one visitor; every setting can be changed while it runs.

    ``pipeline.put`` and ``get`` as LivePipeline's, each from one thread; ``change`` and ``close`` block and belong to a
    third.

    Args:
        device: shared by all sessions.
        choices: at the start.
        uploaded: the visitor's own background.
        report: called with one sentence that the visitor should read, see LivePipeline.

    Attributes:
        clock: that the frames' time stamps count on.
        pipeline: the current one; replaced when the speed changes.

    Raises:
        StreamsegError: the choices cannot be used.
    """

    def __init__(
        self,
        device: SharedDevice,
        choices: Choices,
        uploaded: Path | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.clock = LiveClock()
        self._device, self._report = device, report or (lambda message: None)
        self._chosen: tuple[SubjectPoint, ...] = choices.subject
        self.pipeline = self._open_pipeline(_settings(choices, uploaded))

    def get(self, timeout: float) -> Composite | None:
        """The newest composite, see LivePipeline.get; ``timeout`` in seconds."""
        return self.pipeline.get(timeout)

    def change(self, choices: Choices, uploaded: Path | None) -> None:
        """Apply other choices. Raises StreamsegError if they cannot be used; then everything stays as it was."""
        new, old = _settings(choices, uploaded), self.pipeline
        if new.speed == old.settings.speed:
            old.change(background=new.background, steady=new.steady, edges=new.edges)
            self._choose(choices.subject)
            return
        if self._chosen:
            self._report("The speed has changed: click again on who is to be kept")
        self.pipeline, self._chosen = self._open_pipeline(new), choices.subject
        old.close()

    def _choose(self, points: tuple[SubjectPoint, ...]) -> None:
        """What was clicked since the last time; a first point, or one in place of others, is chosen alone."""
        known = len(self._chosen) if points[: len(self._chosen)] == self._chosen else 0
        if not points and self._chosen:
            self.pipeline.choose(None)
        for number, point in enumerate(points[known:], start=known):
            self.pipeline.choose(point, add=number > 0)
        self._chosen = points

    def close(self) -> None:
        """End the pipeline and wait for its threads. Safe to call twice."""
        self.pipeline.close()

    def _open_pipeline(self, settings: LiveSettings) -> LivePipeline:
        return LivePipeline(self._device.open(settings), settings, self.clock, self._report)


def _settings(choices: Choices, uploaded: Path | None) -> LiveSettings:
    return LiveSettings(choices.background_option(uploaded), choices.steady, choices.edges, choices.speed, light=True)
