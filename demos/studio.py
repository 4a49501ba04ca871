"""Live lines for visitors: one network for all of them, in each of its two forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from streamseg.pipelines.live import LiveLine, LiveSettings, Shown, open_live_device

from streamseg.device import Device
from streamseg.media.clock import LiveClock

from .choices import Choices

__all__ = ["Studio", "Take"]


class Studio:
    """Opens devices that share their network.

    Args:
        network: see Segmenter: model, weights, precision, device, threads.
    """

    def __init__(self, **network: Any) -> None:
        self.network = network
        self._lock = Lock()
        self._devices: dict[str, Device] = {}

    def warm(self) -> None:
        """Load the network that most visitors want. Raises StreamsegError if it cannot be had."""
        self.device(LiveSettings())

    def device(self, settings: LiveSettings) -> Device:
        """A device for one line; the first of its form loads the network."""
        forms = settings.matting.forms
        with self._lock:
            if forms not in self._devices:
                self._devices[forms] = open_live_device(settings, **self.network)
            return self._devices[forms].another()


class Take:
    """What one visitor sees live: a line whose every setting can be changed while it runs.

    ``put`` and ``get`` as LiveLine's, each from one thread; ``change`` and ``close`` take time and belong to a third.

    Args:
        studio: gives the device.
        choices: to begin with.
        uploaded: the visitor's own background.
        say: called with one sentence that the visitor should read, see LiveLine.

    Raises:
        StreamsegError: the choices cannot be had.
    """

    def __init__(
        self, studio: Studio, choices: Choices, uploaded: Path | None = None, say: Callable[[str], None] | None = None
    ) -> None:
        self.clock = LiveClock()
        self._studio, self._say = studio, say or (lambda sentence: None)
        self.line = self._opened(_settings(choices, uploaded))

    def get(self, timeout: float) -> Shown | None:
        """See LiveLine.get; the newest composite."""
        return self.line.get(timeout)

    def change(self, choices: Choices, uploaded: Path | None) -> None:
        """Raises StreamsegError if they cannot be had; then everything stays as it was."""
        new, old = _settings(choices, uploaded), self.line
        if new.speed == old.settings.speed:
            old.change(background=new.background, steady=new.steady, edges=new.edges)
            return
        self.line = self._opened(new)
        old.close()

    def close(self) -> None:
        """Wait for the line's threads. Safe to call twice."""
        self.line.close()

    def _opened(self, settings: LiveSettings) -> LiveLine:
        return LiveLine(self._studio.device(settings), settings, self.clock, self._say)


def _settings(choices: Choices, uploaded: Path | None) -> LiveSettings:
    return LiveSettings(choices.backdrop(uploaded), choices.steady, choices.edges, choices.speed, light=True)
