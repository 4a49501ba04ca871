"""How fast is a card here: the network alone, the way of a frame without codecs, with a decoder, and with both."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from av.packet import Packet

from streamseg.errors import UnsupportedDevice
from streamseg.frame import Frame
from streamseg.media.hardware import CardDecoding, open_reader
from streamseg.media.reader import VideoReader
from streamseg.media.target import Encoding, choose_target
from streamseg.network.architecture import architecture
from streamseg.network.weights import load_weights
from streamseg.network.work import network_work
from streamseg.runtime import Runner, Stage

from .bench_start import cold_start_seconds
from .bench_transcode import transcode
from .card_result import CardBenchResult, Figure, NetworkTime
from .effect import Effect, open_effect
from .matting import Matting
from .segmenter import weights_for
from .summary import Summary
from .video import VideoJob, production_line

if TYPE_CHECKING:
    from streamseg.device.cuda.device import CUDADevice

__all__ = ["run_card_bench"]

_BATCHES = (1, 4, 8)
_PATH_BATCHES = (1, 4)
_NETWORK_RUNS = 200
# Frames that are decoded once and then go round, for the way without codecs; enough that motion is found in them.
_KEPT = 48
_AROUND = 20
_WARM_UP = 10
_DECODERS = {"CPU": None, "card": CardDecoding(stays=True, required=True)}
# Decoder and encoder: as --hwaccel and --codec name them.
_PLAIN = "CPU, x264"
_WHOLES = {
    "card, x264": ("cuda", "libx264"),
    "CPU, NVENC": ("none", "h264_nvenc"),
    "card, NVENC": ("cuda", "h264_nvenc"),
}
# Sides of matrices and megabytes of copies that the card's limits are measured with.
_LIMITS = (8192, 256)


def run_card_bench(
    source: str, background: str, duration: float, speed: str = "best", **network: Any
) -> CardBenchResult:
    """Measure ``duration`` seconds of a file on a card.

    Raises what VideoJob.run raises.
    """
    from streamseg.device.cuda.peak import measure_limits, rated_limits

    matting = Matting(speed=speed)
    device, what = _open(matting, network), (source, background, duration)
    with VideoReader(source, duration=duration, tolerant=True) as reader:
        kept = list(islice((item for item in reader if isinstance(item, Frame)), _KEPT))
    times = [_network_time(device, batch) for batch in _BATCHES]
    path = {batch: _path_fps(device.with_batch(batch), matting, source, background, kept) for batch in _PATH_BATCHES}
    decode = {who: _measured(_decode_fps, source, duration, how) for who, how in _DECODERS.items()}
    decoded = {who: _measured(_decoded_fps, device, matting, *what, how) for who, how in _DECODERS.items()}
    plain, wholes = _wholes(what, matting, {**network, "device": "cuda"})
    with tempfile.TemporaryDirectory(prefix="streamseg-bench-") as folder:
        alone = transcode(source, Path(folder) / "transcoded.mp4", duration)
    return CardBenchResult(
        card=str(getattr(device.platform, "name", device.platform.device)),
        frames=plain.frames,
        network=times,
        path_fps=path,
        live_ms=_live_ms(device, speed, source, background, kept),
        decode_fps=decode,
        decoded_fps=decoded,
        whole_fps=wholes,
        transcode_fps=alone.items_per_second,
        cold_start=cold_start_seconds(source, background, "cuda"),
        memory=_memory(device),
        frame_bytes=(_bytes(kept[0]), sum(plane.nbytes for plane in kept[0].planes[:3])),
        work=network_work(architecture(network["model"]), value_bytes=2, detail=matting.forms != "coarse"),
        limits=measure_limits(device.platform, *_LIMITS),
        rated=rated_limits(_properties(device)),
        statistics=plain.statistics,
    )


def _measured(measure: Callable[..., float], *arguments: Any) -> Figure:
    """The figure, or why there is none on this card."""
    try:
        return measure(*arguments)
    except UnsupportedDevice as error:
        return str(error)


def _wholes(
    what: tuple[str, str, float], matting: Matting, options: dict[str, Any]
) -> tuple[Summary, dict[str, Figure]]:
    """Files made from decoder to encoder: the plain one's summary, and frames a second of each."""
    summaries: list[Summary] = []

    def fps(hwaccel: str, codec: str) -> float:
        source, background, duration = what
        with tempfile.TemporaryDirectory(prefix="streamseg-bench-") as folder:
            chosen: dict[str, Any] = {
                "duration": duration,
                "matting": matting,
                "encoding": Encoding(codec),
                "hwaccel": hwaccel,
            }
            summaries.append(VideoJob(source, Path(folder) / "whole.mp4", background, **chosen, **options).run())
        return summaries[-1].fps

    figures: dict[str, Figure] = {_PLAIN: fps("none", "libx264")}  # without this there is nothing to compare
    figures |= {who: _measured(fps, *how) for who, how in _WHOLES.items()}
    return summaries[0], figures


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


def _decode_fps(source: str, duration: float, decoding: CardDecoding | None) -> float:
    with open_reader(source, duration=duration, tolerant=True, decoding=decoding) as reader:
        return _rate([perf_counter() for item in reader if not isinstance(item, Packet)])


def _decoded_fps(
    device: CUDADevice,
    matting: Matting,
    source: str,
    background: str,
    duration: float,
    decoding: CardDecoding | None,
) -> float:
    times: list[float] = []
    with open_reader(source, duration=duration, tolerant=True, decoding=decoding) as reader:
        frames = (item for item in reader if not isinstance(item, Packet))
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
    device: CUDADevice, matting: Matting, source: str, background: str, frames: Iterator[Any], times: list[float]
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


def _properties(device: CUDADevice) -> Any:
    """As torch has them; None where there is no card."""
    import torch

    of = device.platform.device
    return torch.cuda.get_device_properties(of) if of.type == "cuda" else None


def _bytes(frame: Frame) -> int:
    return sum(plane.nbytes for plane in frame.planes)
