"""The benchmark on an NVIDIA GPU: the network alone, all stages without codecs, with a decoder, and end to end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from av.packet import Packet

from streamseg.errors import StreamsegError
from streamseg.frame import Frame
from streamseg.matting.tracking.near import INPUT_SIZES
from streamseg.media.gpu.decoding import GPUDecoding, open_reader
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.network.architecture import INPUT_SIZE, Variant, architecture
from streamseg.network.work import network_work
from streamseg.runtime import Runner, Stage

from ..segmenter import weights_for
from ..stages.effect import Effect, open_effect
from ..stages.options import Matting
from ..summary import Summary
from ..video import pipeline_stages
from .cold_start import cold_start_seconds
from .gpu_result import BASELINE, Figure, GPUBenchResult, NetworkFailure, NetworkTime
from .job import BenchJob
from .transcode import transcode

if TYPE_CHECKING:
    from streamseg.device.cuda.device import CUDADevice
    from streamseg.device.cuda.limits import RatedLimits
    from streamseg.device.cuda.network import CapturedNetwork
    from streamseg.device.cuda.platform import Stream

__all__ = ["run_gpu_bench"]

_T = TypeVar("_T")

_BATCHES = (1, 4, 8)
_STAGE_BATCHES = (1, 4)
_NETWORK_RUNS = 200
# Frames that are decoded once and repeated, for the stages without codecs; enough to have motion in them.
_FRAMES = 48
_REPEATS = 20
_WARM_UP = 10
_DECODERS = {"CPU": None, "GPU": GPUDecoding(stays=True, required=True)}
# Decoder and encoder: as --hwaccel and --codec name them.
_CODECS = {
    BASELINE: ("none", "libx264"),
    "GPU, x264": ("cuda", "libx264"),
    "CPU, NVENC": ("none", "h264_nvenc"),
    "GPU, NVENC": ("cuda", "h264_nvenc"),
}
# Side of the matrices and megabytes of the copies that the GPU's limits are measured with.
_LIMITS = (8192, 256)


def run_gpu_bench(
    source: str,
    background: str,
    duration: float,
    speed: str = "best",
    opened: CUDADevice | None = None,
    **network: Any,
) -> GPUBenchResult:
    """Measure ``duration`` seconds of a file on a GPU; a part that fails leaves its reason in place of a figure.

    Args:
        source: path of the video.
        background: see VideoJob.
        duration: seconds.
        speed: see Matting.
        opened: the GPU with the network's variant for that speed; None opens it.
        network: model, weights and precision, see Segmenter.

    Raises:
        InputError, OptionError, DeviceError, MissingDependency: the file, the background or the GPU cannot be opened.
    """
    from streamseg.device.cuda.limits import measure_limits

    matting = Matting(speed=speed)
    device, video = opened or _open(matting, network), (source, background, duration)
    with VideoReader(source, duration=duration, tolerant=True) as reader:
        frames = list(islice((item for item in reader if isinstance(item, Frame)), _FRAMES))

    def path_fps(batch: int) -> float:
        return _path_fps(device.with_batch(batch), matting, source, background, frames)

    times = [_network_time_or_failure(device, batch) for batch in _BATCHES]
    path = {batch: _measured(partial(path_fps, batch)) for batch in _STAGE_BATCHES}
    decode = {name: _measured(partial(_decode_fps, source, duration, decoder)) for name, decoder in _DECODERS.items()}
    decoded = {
        name: _measured(partial(_decoded_fps, device, matting, *video, decoder)) for name, decoder in _DECODERS.items()
    }
    baseline, end_to_end = _end_to_end(device, video, matting)
    return GPUBenchResult(
        gpu=str(getattr(device.platform, "name", device.platform.device)),
        opening=device.opening,
        frames=None if baseline is None else baseline.frames,
        network=times,
        path_fps=path,
        live_ms=_measured(partial(_live_ms, device, speed, source, background, frames)),
        decode_fps=decode,
        decoded_fps=decoded,
        end_to_end_fps=end_to_end,
        transcode_fps=_measured(partial(_transcode_fps, source, duration)),
        cold_start=_measured(lambda: cold_start_seconds(source, background, "cuda")),
        memory=_memory(device),
        frame_bytes=(_bytes(frames[0]), sum(plane.nbytes for plane in frames[0].planes[:3])),
        work=network_work(architecture(network["model"]), value_bytes=2, variant=_variant(matting)),
        limits=_measured(lambda: measure_limits(device.platform, *_LIMITS)),
        rated=_measured(partial(_rated, device)),
        statistics=None if baseline is None else baseline.statistics,
    )


def _measured(measure: Callable[[], _T]) -> _T | str:
    """What it gives, or in one line why it failed: the rows of the table do not depend on each other."""
    try:
        return measure()
    except Exception as error:
        lines = str(error).strip().splitlines()
        if isinstance(error, StreamsegError) and lines:
            return lines[0]
        return ": ".join([type(error).__name__, *lines[:1]])


def _end_to_end(
    device: CUDADevice, video: tuple[str, str, float], matting: Matting
) -> tuple[Summary | None, dict[str, Figure]]:
    """From decoder to encoder: the summary with the CPU's codecs, and frames per second of all combinations."""
    summaries: dict[tuple[str, str], Summary] = {}

    def fps(hwaccel: str, codec: str) -> float:
        source, background, duration = video
        with tempfile.TemporaryDirectory(prefix="streamseg-bench-") as folder:
            chosen: dict[str, Any] = {
                "duration": duration,
                "matting": matting,
                "encoding": Encoding(codec),
                "hwaccel": hwaccel,
                "device": "cuda",
                "opened": device,
            }
            summary = BenchJob(source, Path(folder) / "output.mp4", background, **chosen).run()
        summaries[hwaccel, codec] = summary
        return summary.fps

    figures: dict[str, Figure] = {name: _measured(partial(fps, *codecs)) for name, codecs in _CODECS.items()}
    return summaries.get(_CODECS[BASELINE]), figures


def _transcode_fps(source: str, duration: float) -> float:
    with tempfile.TemporaryDirectory(prefix="streamseg-bench-") as folder:
        return transcode(source, Path(folder) / "transcoded.mp4", duration).items_per_second


def _open(matting: Matting, network: dict[str, Any]) -> CUDADevice:
    from streamseg.device.cuda.device import CUDADevice

    weights = weights_for(network["model"], network["weights"], network["precision"])
    return CUDADevice(weights, variant=_variant(matting), sizes=INPUT_SIZES)


def _variant(matting: Matting) -> Variant:
    """The variant that a GPU runs: the lite one only where the speed needs no other, see open_device."""
    return "lite" if matting.variants == "lite" else "full"


def _network_time(device: CUDADevice, batch: int) -> NetworkTime:
    from streamseg.device.cuda.limits import mean_seconds

    stream, network = device.compute, device.with_batch(batch).captured[INPUT_SIZE]
    with device.platform.on(stream):
        seconds = [_run_seconds(network, stream, batch) for _ in range(_WARM_UP + _NETWORK_RUNS)][_WARM_UP:]
        queued = mean_seconds(stream, lambda: network.run(batch), _NETWORK_RUNS)
    each = 1000 * np.array(seconds) / batch
    return NetworkTime(batch, float(np.median(each)), float(np.quantile(each, 0.99)), 1000 * queued / batch)


def _network_time_or_failure(device: CUDADevice, batch: int) -> NetworkTime | NetworkFailure:
    time = _measured(partial(_network_time, device, batch))
    return NetworkFailure(batch, time) if isinstance(time, str) else time


def _run_seconds(network: CapturedNetwork, stream: Stream, batch: int) -> float:
    started = perf_counter()
    network.run(batch)
    stream.synchronize()
    return perf_counter() - started


def _path_fps(device: CUDADevice, matting: Matting, source: str, background: str, frames: list[Frame]) -> float:
    """All stages, on frames in memory that are repeated; the results are discarded."""
    count = _REPEATS * len(frames)
    times: list[float] = []
    _run_stages(device, matting, source, background, islice(cycle(frames), count), times)
    return _rate(times)


def _decode_fps(source: str, duration: float, decoding: GPUDecoding | None) -> float:
    with open_reader(source, duration=duration, tolerant=True, decoding=decoding) as reader:
        return _rate([perf_counter() for item in reader if not isinstance(item, Packet)])


def _decoded_fps(
    device: CUDADevice,
    matting: Matting,
    source: str,
    background: str,
    duration: float,
    decoding: GPUDecoding | None,
) -> float:
    times: list[float] = []
    with open_reader(source, duration=duration, tolerant=True, decoding=decoding) as reader:
        frames = (item for item in reader if not isinstance(item, Packet))
        _run_stages(device, matting, source, background, frames, times)
    return _rate(times)


def _live_ms(device: CUDADevice, speed: str, source: str, background: str, frames: list[Frame]) -> tuple[float, float]:
    """Latency of single frames, one at a time, without look-ahead: median and 99th percentile in milliseconds."""
    matting, seconds = Matting(look_ahead=0, speed=speed), []
    with _effect(device, source, background) as effect:
        stages = pipeline_stages(device, matting, 0, effect, lambda frame: None)
        for frame in islice(cycle(frames), 5 * len(frames)):
            started = perf_counter()
            _push(stages, frame)
            seconds.append(perf_counter() - started)
    each = 1000 * np.array(seconds[_WARM_UP:])
    return float(np.median(each)), float(np.quantile(each, 0.99))


def _push(stages: list[Stage[Any, Any]], frame: Frame) -> None:
    """One frame through all stages."""
    items: list[Any] = [frame]
    for stage in stages:
        results = [stage.call(item) for item in items]
        items = results if stage.finish is None else [item for result in results for item in result]


def _run_stages(
    device: CUDADevice, matting: Matting, source: str, background: str, frames: Iterator[Any], times: list[float]
) -> None:
    """Frames through all stages; ``times`` gets the time at which each left the last one."""
    with _effect(device, source, background) as effect:
        stages = pipeline_stages(device, matting, 1, effect, lambda frame: times.append(perf_counter()))
        Runner(frames, stages).run()


@contextmanager
def _effect(device: CUDADevice, source: str, background: str) -> Iterator[Effect]:
    """The effect of a background on the frames of a file."""
    with VideoReader(source, tolerant=True) as reader:
        shape = reader.info.shape
    effect = open_effect(background, device, shape, choose_target("out.mp4", shape.format, False, Encoding()).format)
    try:
        yield effect
    finally:
        effect.close()


def _rate(times: list[float]) -> float:
    """Frames per second, without the first frames, which open the pipeline."""
    used = times[min(_WARM_UP, len(times) // 2) :]
    return (len(used) - 1) / (used[-1] - used[0])


def _memory(device: CUDADevice) -> int:
    import torch

    return torch.cuda.max_memory_reserved(device.platform.device) if device.platform.device.type == "cuda" else 0


def _rated(device: CUDADevice) -> RatedLimits | None:
    import torch

    from streamseg.device.cuda.limits import rated_limits

    gpu = device.platform.device
    return rated_limits(torch.cuda.get_device_properties(gpu) if gpu.type == "cuda" else None)


def _bytes(frame: Frame) -> int:
    return sum(plane.nbytes for plane in frame.planes)
