"""How fast is it here: each stage, the network alone, the codec alone, and the whole."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from streamseg.device import Device
from streamseg.frame import Frame
from streamseg.media.reader import VideoReader
from streamseg.media.target import Encoding, choose_target
from streamseg.media.writer import open_writer
from streamseg.runtime import Runner, Stage, Statistics

from .segmenter import Segmenter
from .video import VideoJob, frames_in_flight

__all__ = ["BenchResult", "run_bench"]

_NETWORK_FRAMES = 40
_WARM_UP = 4


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Figures of one run on one machine; compare only within one.

    Attributes:
        frames: frames of the file that were used.
        network_fps: the network alone, as many frames in flight as for a file.
        transcode_fps: decoding and encoding alone, with the same settings.
        whole_fps: the whole way of a frame.
        statistics: of the whole, per stage.
    """

    frames: int
    network_fps: float
    transcode_fps: float
    whole_fps: float
    statistics: Statistics = field(repr=False)

    @property
    def efficiency(self) -> float:
        """The whole, as a part of the slower of network and transcoding; 1 is perfect."""
        return self.whole_fps / min(self.network_fps, self.transcode_fps)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "efficiency": self.efficiency, "statistics": self.statistics.as_dict()}

    def table(self) -> str:
        """For people."""
        rows = [
            ("network alone", self.network_fps),
            ("decode and encode alone", self.transcode_fps),
            ("the whole", self.whole_fps),
        ]
        lines = [f"{name:<26}{fps:8.1f} fps {1000 / fps:8.2f} ms a frame" for name, fps in rows]
        lines.append(f"the whole reaches {self.efficiency:.2f} of the slower of the two ({self.frames} frames)")
        return "\n".join([self.statistics.table(), "", *lines])


def run_bench(source: str, background: str, duration: float, **network: Any) -> BenchResult:
    """Measure ``duration`` seconds of a file. Raises what VideoJob.run raises.

    The network is timed before and after the whole: a machine that others use too is not equally fast all the time.
    """
    device = Segmenter(**network, in_flight=frames_in_flight(network["threads"])).device
    prepared = _prepared(device, source)
    with tempfile.TemporaryDirectory(prefix="streamseg-bench-") as folder:
        transcode = _transcode(source, Path(folder) / "transcoded.mp4", duration)
        before = _network_seconds(device, prepared)
        whole = VideoJob(source, Path(folder) / "whole.mp4", background, duration=duration, **network).run()
        after = _network_seconds(device, prepared)
    network_fps = 2 * len(prepared) / (before + after)
    return BenchResult(whole.frames, network_fps, transcode.items_per_second, whole.fps, whole.statistics)


def _prepared(device: Device, source: str) -> list[Any]:
    with VideoReader(source, tolerant=True) as reader:
        frames = islice((item for item in reader if isinstance(item, Frame)), _NETWORK_FRAMES)
        return [device.prepare(frame) for frame in frames]


def _network_seconds(device: Device, prepared: list[Any]) -> float:
    _run_all(device, prepared[:_WARM_UP])
    started = perf_counter()
    _run_all(device, prepared)
    return perf_counter() - started


def _run_all(device: Device, prepared: list[Any]) -> None:
    for begun in [device.network(item) for item in prepared]:
        device.saliency(begun)


def _transcode(source: str, output: Path, duration: float) -> Statistics:
    """Decode and encode, each in its own thread, and nothing between them."""
    with VideoReader(source, duration=duration, tolerant=True) as reader:
        target = choose_target(str(output), reader.info.shape.format, False, Encoding())
        shape = reader.deliver(target.format, target.even)
        writer = open_writer(target, shape, reader, (), overwrite=False)
        try:
            return Runner(reader, [Stage("encode", writer.write)]).run()
        finally:
            writer.discard()
