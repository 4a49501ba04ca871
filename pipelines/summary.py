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
        subject: what it was taken for, if it was near the camera, else "".
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
    subject: str = ""

    @classmethod
    def of(
        cls, names: tuple[str, str], statistics: Statistics, warnings: list[str], encoding: str, subject: str
    ) -> Summary:
        """Of a run that has ended; ``names``: source and output."""
        items, seconds, stopped = statistics.items, statistics.wall_seconds, statistics.stopped
        return cls(*names, items, seconds, stopped, warnings, statistics, encoding, subject)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "fps": self.fps, "statistics": self.statistics.as_dict()}
