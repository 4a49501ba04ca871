"""What a card was found to do, in figures and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from streamseg.network.work import Work
from streamseg.runtime import Statistics

if TYPE_CHECKING:
    from streamseg.device.cuda.peak import CardLimits, RatedLimits

__all__ = ["CardBenchResult", "Figure", "NetworkTime"]

#: Frames a second, or why there is no such figure here.
Figure = float | str


@dataclass(frozen=True, slots=True)
class NetworkTime:
    """Milliseconds of the network alone, a frame; each run waited for.

    Attributes:
        batch: pictures of a run.
        median, p99: over the runs, of a run's time by its pictures.
        queued: mean when runs are queued one after the other without waiting.
    """

    batch: int
    median: float
    p99: float
    queued: float


@dataclass(frozen=True, slots=True)
class CardBenchResult:
    """Figures of one run on one machine; compare only within one.

    Attributes:
        card: its name.
        frames: frames of the file that were used.
        network: the network alone.
        path_fps: upload, motion, network, matte, composite and download, without codecs, by the network's batch.
        live_ms: median and 99th percentile of one frame's way without codecs, one frame at a time.
        decode_fps: decoding alone, by who does it: "CPU", "card".
        decoded_fps: the way of a frame with a decoder before it, nothing encoded, by the decoder.
        whole_fps: decoder and encoder too, by the two: "CPU, x264" and so on.
        transcode_fps: decoding on the CPU and x264 alone, with the same settings.
        cold_start: seconds from the start of a process to the first frame written.
        memory: largest number of bytes that were taken of the card's memory; 0 where that is not known.
        frame_bytes: of the planes of a frame, up, and down again.
        work: of the network on one frame, in half precision.
        limits: what the card does at its best, measured.
        rated: what its properties say it could do; None where they do not say.
        statistics: of the whole with the CPU's decoder and x264, per stage.
    """

    card: str
    frames: int
    network: list[NetworkTime]
    path_fps: dict[int, float]
    live_ms: tuple[float, float]
    decode_fps: dict[str, Figure]
    decoded_fps: dict[str, Figure]
    whole_fps: dict[str, Figure]
    transcode_fps: float
    cold_start: float
    memory: int
    frame_bytes: tuple[int, int]
    work: Work
    limits: CardLimits
    rated: RatedLimits | None
    statistics: Statistics = field(repr=False)

    @property
    def of_transcode(self) -> float:
        """The whole with the CPU's decoder and x264, as a part of these alone."""
        whole = next(iter(self.whole_fps.values()))
        assert isinstance(whole, float)
        return whole / self.transcode_fps

    @property
    def of_limits(self) -> dict[str, float]:
        """Parts of the card's limits: the network's multiplications and bytes at its best batch, the planes' bytes."""
        up, down = self.frame_bytes
        return {
            "multiplications": self._network_rate(self.work.multiplications) / self.limits.multiplications,
            "memory": self._network_rate(self._moved) / self.limits.memory,
            "upload": up * self.path_fps[1] / self.limits.upload,
            "download": down * self.path_fps[1] / self.limits.download,
        }

    @property
    def of_rated(self) -> dict[str, float]:
        """The network's parts of what the card's properties promise."""
        if self.rated is None:
            return {}
        return {
            "multiplications": self._network_rate(self.work.multiplications) / self.rated.multiplications,
            "memory": self._network_rate(self._moved) / self.rated.memory,
        }

    @property
    def _moved(self) -> int:
        return self.work.weight_bytes + self.work.activation_bytes

    def _network_rate(self, each: float) -> float:
        """So much a frame, a second, at the network's best batch."""
        return each * 1000 / min(time.queued for time in self.network)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        figures = {"of_transcode": self.of_transcode, "of_limits": self.of_limits, "of_rated": self.of_rated}
        return {**asdict(self), **figures, "statistics": self.statistics.as_dict()}

    def table(self) -> str:
        """For people."""
        lines = [self.statistics.table(), "", self.card]
        for time in self.network:
            title, rest = f"network alone, batch {time.batch}", f"p99 {time.p99:.3f}, without waiting {time.queued:.3f}"
            lines.append(f"{title:<40}{time.median:8.3f} ms a frame, {rest}")
        lines += [_line(name, figure) for name, figure in self._rows()]
        lines.append(f"one frame at a time, without codecs: {self.live_ms[0]:.2f} ms, p99 {self.live_ms[1]:.2f}")
        lines.append(f"the whole reaches {self.of_transcode:.2f} of decoding and encoding alone ({self.frames} frames)")
        lines.append(f"cold start, to the first frame written: {self.cold_start:.2f} s")
        lines.append(f"largest use of the card's memory: {self.memory / 1e6:.0f} MB")
        lines.append(f"of what plain operations reach here: {_parts(self.of_limits)}")
        rated = f"the network, of what its properties promise: {_parts(self.of_rated)}"
        return "\n".join([*lines, rated if self.of_rated else "its properties promise nothing that is known here"])

    def _rows(self) -> Iterator[tuple[str, Figure]]:
        yield from ((f"without codecs, batch {batch}", fps) for batch, fps in self.path_fps.items())
        yield from ((f"decoded by the {who}, nothing else", fps) for who, fps in self.decode_fps.items())
        yield from ((f"decoded by the {who}, nothing encoded", fps) for who, fps in self.decoded_fps.items())
        yield "decode and encode alone: CPU, x264", self.transcode_fps
        yield from ((f"the whole: {who}", fps) for who, fps in self.whole_fps.items())


def _line(name: str, figure: Figure) -> str:
    if isinstance(figure, str):
        return f"{name:<40}       - ({figure})"
    return f"{name:<40}{figure:8.1f} fps {1000 / figure:8.2f} ms a frame"


def _parts(parts: dict[str, float]) -> str:
    return ", ".join(f"{100 * part:.0f} % of {name}" for name, part in parts.items())
