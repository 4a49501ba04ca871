"""What a job did, for people and for scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from streamseg.runtime import Statistics

__all__ = ["Summary"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a job did.

    Attributes:
        source, output: names as they were given.
        frames: frames written.
        seconds: from the first to the last step, opening excluded.
        stopped: ended early on request; what was done so far is in the output.
        warnings: one sentence each: damage passed over, sound encoded anew, …
        statistics: per stage and queue, see streamseg.runtime.Statistics.
    """

    source: str
    output: str
    frames: int
    seconds: float
    stopped: bool
    warnings: list[str]
    statistics: Statistics = field(repr=False)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "fps": self.fps, "statistics": self.statistics.as_dict()}
