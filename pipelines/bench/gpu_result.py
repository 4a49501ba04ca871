"""The figures of a GPU, for JSON and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from streamseg.deprecation import with_old_keys
from streamseg.network.work import Work
from streamseg.runtime import Statistics

if TYPE_CHECKING:
    from streamseg.device.cuda.limits import GPULimits, RatedLimits

__all__ = ["BASELINE", "Figure", "GPUBenchResult", "NetworkFailure", "NetworkTime"]

#: Frames per second or seconds, or why there is no such figure here.
Figure = float | str
#: The decoder and encoder that "decode and encode alone" is measured with too.
BASELINE = "CPU, x264"

_OLD_KEYS = {"card": "gpu", "whole_fps": "end_to_end_fps"}
_OLD_DECODERS = {"card": "GPU"}
_OLD_CODECS = {"card, x264": "GPU, x264", "card, NVENC": "GPU, NVENC"}


@dataclass(frozen=True, slots=True)
class NetworkTime:
    """The network alone, in milliseconds per frame.

    Attributes:
        batch: frames per run.
        median, p99: over runs that are each waited for: time of the run divided by its frames.
        queued: mean of runs that are queued one after the other without waiting.
    """

    batch: int
    median: float
    p99: float
    queued: float


@dataclass(frozen=True, slots=True)
class NetworkFailure:
    """Why there is no time of the network at a batch size."""

    batch: int
    reason: str


@dataclass(frozen=True, slots=True)
class GPUBenchResult:
    """Figures of one run on one machine; compare only within one. A string in place of one says why there is none.

    Attributes:
        gpu: its name.
        opening: seconds to load and capture the network, and how many of them went into choosing its convolutions.
        frames: frames of the file that were used; None if not even the CPU's codecs got to the end.
        network: the network alone, for several batch sizes.
        path_fps: upload, motion, network, matte, composite and download, without codecs, by the network's batch.
        live_ms: median and 99th percentile of the latency of a frame without codecs, one frame at a time.
        decode_fps: decoding alone, by the decoder: "CPU", "GPU".
        decoded_fps: the same as path_fps with a decoder, nothing encoded, by the decoder.
        end_to_end_fps: from the decoder to the encoder, by both: "CPU, x264" and so on.
        transcode_fps: decoding on the CPU and x264 alone, with the same settings.
        cold_start: seconds from the start of a process to the first frame written.
        memory: peak GPU memory in bytes; 0 where that is not known.
        frame_bytes: of the planes of a frame, uploaded and downloaded.
        work: of the network on one frame, in half precision.
        limits: the GPU's speed limits, measured.
        rated: the same from its properties; None where they do not tell.
        statistics: per stage, end to end with the CPU's decoder and x264; None if that failed.
    """

    gpu: str
    opening: tuple[float, float]
    frames: int | None
    network: list[NetworkTime | NetworkFailure]
    path_fps: dict[int, Figure]
    live_ms: tuple[float, float] | str
    decode_fps: dict[str, Figure]
    decoded_fps: dict[str, Figure]
    end_to_end_fps: dict[str, Figure]
    transcode_fps: Figure
    cold_start: Figure
    memory: int
    frame_bytes: tuple[int, int]
    work: Work
    limits: GPULimits | str
    rated: RatedLimits | str | None
    statistics: Statistics | None = field(repr=False)

    @property
    def of_transcode(self) -> float | None:
        """End to end with the CPU's decoder and x264, as a fraction of these alone; None without one of the two."""
        baseline, codecs = self.end_to_end_fps[BASELINE], self.transcode_fps
        return None if isinstance(baseline, str) or isinstance(codecs, str) else baseline / codecs

    @property
    def of_limits(self) -> dict[str, float]:
        """Fractions of the limits: the network's multiplications and bytes at its best batch, and the planes' bytes."""
        if isinstance(self.limits, str):
            return {}
        fractions = self._network_fractions(self.limits)
        (up, down), fps = self.frame_bytes, self.path_fps[1]
        if not isinstance(fps, str):
            fractions |= {"upload": up * fps / self.limits.upload, "download": down * fps / self.limits.download}
        return fractions

    @property
    def of_rated(self) -> dict[str, float]:
        """The network's fractions of the rated limits."""
        if self.rated is None or isinstance(self.rated, str):
            return {}
        return self._network_fractions(self.rated)

    def _network_fractions(self, limits: GPULimits | RatedLimits) -> dict[str, float]:
        """Of multiplications and bytes, at the network's best batch; none without a time of the network."""
        times = [time.queued for time in self.network if isinstance(time, NetworkTime)]
        if not times:
            return {}
        rate, moved = 1000 / min(times), self.work.weight_bytes + self.work.activation_bytes
        return {
            "multiplications": rate * self.work.multiplications / limits.multiplications,
            "memory": rate * moved / limits.memory,
        }

    def as_dict(self) -> dict[str, Any]:
        """For JSON, also under the keys of the release before."""
        figures = {
            **asdict(self),
            "decode_fps": with_old_keys(self.decode_fps, _OLD_DECODERS),
            "decoded_fps": with_old_keys(self.decoded_fps, _OLD_DECODERS),
            "end_to_end_fps": with_old_keys(self.end_to_end_fps, _OLD_CODECS),
            "of_transcode": self.of_transcode,
            "of_limits": self.of_limits,
            "of_rated": self.of_rated,
            "statistics": None if self.statistics is None else self.statistics.as_dict(),
        }
        return with_old_keys(figures, _OLD_KEYS)

    def table(self) -> str:
        """For people."""
        lines = [] if self.statistics is None else [self.statistics.table(), ""]
        lines.append(self.gpu)
        lines.append("network opened in {:.1f} s, {:.1f} s of it choosing convolutions".format(*self.opening))
        lines += [_network_line(time) for time in self.network]
        lines += [_line(name, figure) for name, figure in self._rows()]
        live = self.live_ms if isinstance(self.live_ms, str) else "{:.2f} ms, p99 {:.2f}".format(*self.live_ms)
        lines.append(f"one frame at a time, without codecs: {live}")
        if self.of_transcode is not None:
            lines.append(
                f"end to end reaches {self.of_transcode:.2f} of decode and encode alone ({self.frames} frames)"
            )
        start = self.cold_start if isinstance(self.cold_start, str) else f"{self.cold_start:.2f} s"
        lines.append(f"cold start, to the first frame written: {start}")
        lines.append(f"peak GPU memory: {self.memory / 1e6:.0f} MB")
        limits = self.limits if isinstance(self.limits, str) else _percentages(self.of_limits)
        lines.append(f"of the measured limits: {limits}")
        if self.rated is None:
            return "\n".join([*lines, "the rated limits of this GPU are not known here"])
        rated = self.rated if isinstance(self.rated, str) else _percentages(self.of_rated)
        return "\n".join([*lines, f"the network, of the rated limits: {rated}"])

    def _rows(self) -> Iterator[tuple[str, Figure]]:
        yield from ((f"without codecs, batch {batch}", fps) for batch, fps in self.path_fps.items())
        yield from ((f"decode alone: {decoder}", fps) for decoder, fps in self.decode_fps.items())
        yield from ((f"decoded by the {decoder}, not encoded", fps) for decoder, fps in self.decoded_fps.items())
        yield "decode and encode alone: CPU, x264", self.transcode_fps
        yield from ((f"end to end: {codecs}", fps) for codecs, fps in self.end_to_end_fps.items())


def _network_line(time: NetworkTime | NetworkFailure) -> str:
    title = f"network alone, batch {time.batch}"
    if isinstance(time, NetworkFailure):
        return _line(title, time.reason)
    rest = f"p99 {time.p99:.3f}, without waiting {time.queued:.3f}"
    return f"{title:<40}{time.median:8.3f} ms a frame, {rest}"


def _line(name: str, figure: Figure) -> str:
    if isinstance(figure, str):
        return f"{name:<40}       - ({figure})"
    return f"{name:<40}{figure:8.1f} fps {1000 / figure:8.2f} ms a frame"


def _percentages(fractions: dict[str, float]) -> str:
    return ", ".join(f"{100 * fraction:.0f} % of {name}" for name, fraction in fractions.items()) or "-"
