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
        source, output: as given to the job.
        frames: frames written.
        seconds: of processing, without opening the source and the network.
        stopped: ended early on request; the frames up to then are in the output.
        warnings: one sentence each: damage that was skipped, audio that was re-encoded, …
        encoding: which encoder and pixel format were chosen, and why.
        statistics: per stage and queue, see streamseg.runtime.Statistics.
    """

    source: str
    output: str
    frames: int
    seconds: float
    stopped: bool
    warnings: list[str]
    statistics: Statistics = field(repr=False)
    encoding: str = ""

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "fps": self.fps, "statistics": self.statistics.as_dict()}
