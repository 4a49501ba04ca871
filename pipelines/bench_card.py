"""How fast is a card here: the network alone, the way of a frame without codecs, with a decoder, and with both."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.frame import Frame
from streamseg.media.reader import VideoReader
from streamseg.media.target import Encoding, choose_target
from streamseg.network.architecture import architecture
from streamseg.network.weights import load_weights
from streamseg.network.work import Work, network_work
from streamseg.runtime import Runner, Stage, Statistics

from .bench_start import cold_start_seconds
from .bench_transcode import transcode
from .effect import Effect, open_effect
from .matting import Matting
from .segmenter import weights_for
from .video import VideoJob, production_line

if TYPE_CHECKING:
    from streamseg.device.cuda.device import CUDADevice
    from streamseg.device.cuda.peak import CardLimits

__all__ = ["CardBenchResult", "NetworkTime", "run_card_bench"]

_BATCHES = (1, 4, 8)
_PATH_BATCHES = (1, 4)
_NETWORK_RUNS = 200
# Frames that are decoded once and then go round, for the way without codecs; enough that motion is found in them.
_KEPT = 48
_AROUND = 20
_WARM_UP = 10
# Sides of matrices and megabytes of copies that the card's limits are measured with.
_LIMITS = (8192, 256)


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
        decoded_fps: the same with a decoder before it.
        whole_fps: decoder and encoder too.
        transcode_fps: decoding and encoding alone, with the same settings.
        cold_start: seconds from the start of a process to the first frame written.
        memory: largest number of bytes that were taken of the card's memory; 0 where that is not known.
        frame_bytes: of the planes of a frame, up, and down again.
        work: of the network on one frame, in half precision.
        limits: what the card does at its best.
        statistics: of the whole, per stage.
    """

    card: str
    frames: int
    network: list[NetworkTime]
    path_fps: dict[int, float]
    live_ms: tuple[float, float]
    decoded_fps: float
    whole_fps: float
    transcode_fps: float
    cold_start: float
    memory: int
    frame_bytes: tuple[int, int]
    work: Work
    limits: CardLimits
    statistics: Statistics = field(repr=False)

    @property
    def of_transcode(self) -> float:
        """The whole, as a part of decoding and encoding alone."""
        return self.whole_fps / self.transcode_fps

    @property
    def of_limits(self) -> dict[str, float]:
        """Parts of the card's limits: the network's multiplications and bytes at its best batch, the planes' bytes."""
        network_fps = 1000 / min(time.queued for time in self.network)
        up, down = self.frame_bytes
        moved = self.work.weight_bytes + self.work.activation_bytes
        return {
            "multiplications": self.work.multiplications * network_fps / self.limits.multiplications,
            "memory": moved * network_fps / self.limits.memory,
            "upload": up * self.path_fps[1] / self.limits.upload,
            "download": down * self.path_fps[1] / self.limits.download,
        }

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        figures = {"of_transcode": self.of_transcode, "of_limits": self.of_limits}
        return {**asdict(self), **figures, "statistics": self.statistics.as_dict()}

    def table(self) -> str:
        """For people."""
        lines = [self.statistics.table(), "", self.card]
        for time in self.network:
            title, rest = f"network alone, batch {time.batch}", f"p99 {time.p99:.3f}, without waiting {time.queued:.3f}"
            lines.append(f"{title:<32}{time.median:8.3f} ms a frame, {rest}")
        rows = [
            *((f"without codecs, batch {batch}", fps) for batch, fps in self.path_fps.items()),
            ("decoded, nothing encoded", self.decoded_fps),
            ("decode and encode alone", self.transcode_fps),
            ("the whole", self.whole_fps),
        ]
        lines += [f"{name:<32}{fps:8.1f} fps {1000 / fps:8.2f} ms a frame" for name, fps in rows]
        lines.append(f"one frame at a time, without codecs: {self.live_ms[0]:.2f} ms, p99 {self.live_ms[1]:.2f}")
        lines.append(f"the whole reaches {self.of_transcode:.2f} of decoding and encoding alone ({self.frames} frames)")
        lines.append(f"cold start, to the first frame written: {self.cold_start:.2f} s")
        lines.append(f"largest use of the card's memory: {self.memory / 1e6:.0f} MB")
        parts = ", ".join(f"{100 * part:.0f} % of {name}" for name, part in self.of_limits.items())
        return "\n".join([*lines, f"of what plain operations reach here: {parts}"])


def run_card_bench(
    source: str, background: str, duration: float, speed: str = "best", **network: Any
) -> CardBenchResult:
    """Measure ``duration`` seconds of a file on a card.

    Raises what VideoJob.run raises.
    """
    from streamseg.device.cuda.peak import measure_limits

    matting = Matting(speed=speed)
    options = {**network, "device": "cuda"}
    device = _open(matting, network)
    with VideoReader(source, duration=duration, tolerant=True) as reader:
        kept = list(islice((item for item in reader if isinstance(item, Frame)), _KEPT))
    times = [_network_time(device, batch) for batch in _BATCHES]
    path = {batch: _path_fps(device.with_batch(batch), matting, source, background, kept) for batch in _PATH_BATCHES}
    slow = _live_ms(device, speed, source, background, kept)
    decoded = _decoded_fps(device, matting, source, background, duration)
    with tempfile.TemporaryDirectory(prefix="streamseg-bench-") as folder:
        alone = transcode(source, Path(folder) / "transcoded.mp4", duration)
        job = VideoJob(source, Path(folder) / "whole.mp4", background, duration=duration, matting=matting, **options)
        whole = job.run()
    return CardBenchResult(
        card=str(getattr(device.platform, "name", device.platform.device)),
        frames=whole.frames,
        network=times,
        path_fps=path,
        live_ms=slow,
        decoded_fps=decoded,
        whole_fps=whole.fps,
        transcode_fps=alone.items_per_second,
        cold_start=cold_start_seconds(source, background, "cuda"),
        memory=_memory(device),
        frame_bytes=(_bytes(kept[0]), sum(plane.nbytes for plane in kept[0].planes[:3])),
        work=network_work(architecture(network["model"]), value_bytes=2, detail=matting.forms != "coarse"),
        limits=measure_limits(device.platform, *_LIMITS),
        statistics=whole.statistics,
    )


def _open(matting: Matting, network: dict[str, Any]) -> CUDADevice:
    from streamseg.device.cuda.device import CUDADevice

    weights = weights_for(network["model"], network["weights"], network["precision"])
    return CUDADevice(weights or load_weights(), detail=matting.forms != "coarse")


def _network_time(device: CUDADevice, batch: int) -> NetworkTime:
    from streamseg.device.cuda.network import Saliency
    from streamseg.device.cuda.peak import seconds_each

    platform, stream = device.platform, device.compute
    saliency = Saliency(device.saliencies.network, platform, stream, batch)
    with platform.on(stream):
        seconds = [_timed(saliency, stream, batch) for _ in range(_WARM_UP + _NETWORK_RUNS)][_WARM_UP:]
        queued = seconds_each(stream, lambda: saliency.run(batch), _NETWORK_RUNS)
    each = 1000 * np.array(seconds) / batch
    return NetworkTime(batch, float(np.median(each)), float(np.quantile(each, 0.99)), 1000 * queued / batch)


def _timed(saliency: Any, stream: Any, batch: int) -> float:
    started = perf_counter()
    saliency.run(batch)
    stream.synchronize()
    return perf_counter() - started


def _path_fps(device: CUDADevice, matting: Matting, source: str, background: str, kept: list[Frame]) -> float:
    """Frames from memory, around and around, into nothing."""
    count = _AROUND * len(kept)
    times: list[float] = []
    _run_line(device, matting, source, background, islice(cycle(kept), count), times)
    return _rate(times)


def _decoded_fps(device: CUDADevice, matting: Matting, source: str, background: str, duration: float) -> float:
    times: list[float] = []
    with VideoReader(source, duration=duration, tolerant=True) as reader:
        frames = (item for item in reader if isinstance(item, Frame))
        _run_line(device, matting, source, background, frames, times)
    return _rate(times)


def _live_ms(device: CUDADevice, speed: str, source: str, background: str, kept: list[Frame]) -> tuple[float, float]:
    """Each frame's way with no other beside it, without looking ahead."""
    matting, seconds = Matting(look_ahead=0, speed=speed), []
    with _effect(device, source, background) as effect:
        line = production_line(device, matting, 0, effect, lambda frame: None)
        for frame in islice(cycle(kept), 5 * len(kept)):
            started = perf_counter()
            _push(line, frame)
            seconds.append(perf_counter() - started)
    each = 1000 * np.array(seconds[_WARM_UP:])
    return float(np.median(each)), float(np.quantile(each, 0.99))


def _push(line: list[Stage[Any, Any]], frame: Frame) -> None:
    """One frame through all stages."""
    items: list[Any] = [frame]
    for stage in line:
        results = [stage.call(item) for item in items]
        items = results if stage.finish is None else [item for given in results for item in given]


def _run_line(
    device: CUDADevice, matting: Matting, source: str, background: str, frames: Iterator[Frame], times: list[float]
) -> None:
    """Frames through the card into nothing; ``times`` gets when each came out."""
    with _effect(device, source, background) as effect:
        line = production_line(device, matting, 1, effect, lambda frame: times.append(perf_counter()))
        Runner(frames, line).run()


@contextmanager
def _effect(device: CUDADevice, source: str, background: str) -> Iterator[Effect]:
    """What a background makes of the frames of a file."""
    with VideoReader(source, tolerant=True) as reader:
        shape = reader.info.shape
    effect = open_effect(background, device, shape, choose_target("out.mp4", shape.format, False, Encoding()).format)
    try:
        yield effect
    finally:
        effect.close()


def _rate(times: list[float]) -> float:
    """Frames a second between the first frames, which open the line, and the last."""
    used = times[min(_WARM_UP, len(times) // 2) :]
    return (len(used) - 1) / (used[-1] - used[0])


def _memory(device: CUDADevice) -> int:
    import torch

    return torch.cuda.max_memory_reserved(device.platform.device) if device.platform.device.type == "cuda" else 0


def _bytes(frame: Frame) -> int:
    return sum(plane.nbytes for plane in frame.planes)
