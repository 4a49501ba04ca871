"""How often the network looks, live: as often as the machine can bear."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import ceil

__all__ = ["Cadence", "Load"]

# Part of the cores that may be busy: above the first it looks less often, below the second more.
_FULL, _ROOM = 0.9, 0.78
# Part of the frames that may be lost before it looks less often: more than one of those between two decisions.
_LOST = 0.05
# How many decisions a failed try to look more often is not repeated for: at first, and at most after many of them.
_PATIENCE, _MOST_PATIENCE = 10, 320
_USUAL_INTERVAL_S = 1 / 30


@dataclass(frozen=True, slots=True)
class Load:
    """What the last frames took.

    Attributes:
        interval: seconds between two frames of the camera.
        busy: part of the cores' time that this process used.
        lost: part of the frames that came and were not shown.
    """

    interval: float
    busy: float
    lost: float


@dataclass
class Cadence:
    """Chooses ``every``: the network sees every so manyth frame.

    Args:
        look: seconds of one core for a look of the network, measured beforehand.
        most: it sees at least every so manyth frame.
        cores: that it may use.
    """

    look: float
    most: int = 6
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    every: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        self._hold, self._patience = 0, _PATIENCE
        # Half of the machine for the network, the rest for all the rest.
        self.every = min(self.most, max(1, ceil(2 * self._share(_USUAL_INTERVAL_S))))

    def decide(self, load: Load) -> int:
        """The new ``every``, one step away at most."""
        self._hold = max(0, self._hold - 1)
        if load.lost > _LOST or load.busy > _FULL:
            self._less_often()
        elif self.every > 1 and not self._hold:
            more = self._share(load.interval) * (1 / (self.every - 1) - 1 / self.every)
            self.every -= int(load.busy + more < _ROOM)
        return self.every

    def _less_often(self) -> None:
        if self.every == self.most:
            return
        self.every += 1
        self._hold, self._patience = self._patience, min(_MOST_PATIENCE, 2 * self._patience)

    def _share(self, interval: float) -> float:
        """Part of the cores' time that a look takes in every frame."""
        return self.look / (self.cores * max(interval, 1e-3))
