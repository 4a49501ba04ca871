"""How fast is it here: each stage, the network alone, the codec alone, and the whole."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from streamseg.device import Device
from streamseg.device.cpu.kernel_network import kernels_suit
from streamseg.device.cpu.network_plan import NetworkPlan
from streamseg.device.cpu.peak import multiplications_per_second
from streamseg.device.cpu.quantised import QUANTISED_SIZE, quantised_ranks
from streamseg.frame import Frame
from streamseg.matting.looks import Look, usual_forms
from streamseg.media.reader import VideoReader
from streamseg.network.architecture import architecture
from streamseg.network.work import Work, mean_work, network_work
from streamseg.runtime import Statistics

from .bench_memory import peak_megabytes
from .bench_peer import PeerResult, against_peer
from .bench_start import cold_start_seconds
from .bench_steps import step_costs, steps_table
from .bench_transcode import transcode
from .matting import Matting
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
        every: the network sees every so manyth frame.
        network_fps: the network alone, fine and coarse looks in turns as for a file, and as many frames in flight.
        transcode_fps: decoding and encoding alone, with the same settings but all threads that there are.
        whole_fps: the whole way of a frame.
        work: of the network on one frame, the mean of fine and coarse looks.
        peak: multiply-adds a second of plain matrix products in OpenVINO, in int8 and in float32.
        products: multiplications that the kernels do for ``work``, fewer by Winograd's method; None if OpenVINO runs
            the network.
        cold_start: seconds from the start of a process to the first frame written.
        memory: peak resident megabytes of a process that does the file.
        steps: milliseconds that each step around the network costs one core, see step_costs.
        peer: another program on the same frames, if asked for.
        statistics: of the whole, per stage.
    """

    frames: int
    every: int
    network_fps: float
    transcode_fps: float
    whole_fps: float
    work: Work
    peak: dict[str, float]
    products: int | None
    cold_start: float
    memory: float
    steps: dict[str, float]
    peer: PeerResult | None
    statistics: Statistics = field(repr=False)

    @property
    def efficiency(self) -> float:
        """The whole, as a part of the slower of network and transcoding; 1 is perfect."""
        return self.whole_fps / min(self.every * self.network_fps, self.transcode_fps)

    @property
    def of_peak(self) -> dict[str, float]:
        """The network's multiply-adds a second, as a part of what this machine does in each type."""
        return {name: self.work.multiplications * self.network_fps / speed for name, speed in self.peak.items()}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        figures = {"efficiency": self.efficiency, "of_peak": self.of_peak, "statistics": self.statistics.as_dict()}
        return {**asdict(self), **figures}

    def table(self) -> str:
        """For people."""
        rows = [
            ("network alone", self.network_fps),
            ("decode and encode alone", self.transcode_fps),
            ("the whole", self.whole_fps),
        ]
        lines = [f"{name:<26}{fps:8.1f} fps {1000 / fps:8.2f} ms a frame" for name, fps in rows]
        lines.append(f"the whole reaches {self.efficiency:.2f} of the slower of the two ({self.frames} frames)")
        lines.append(f"cold start, to the first frame written: {self.cold_start:.2f} s")
        lines.append(f"peak memory of the command, resident: {self.memory:.0f} MB")
        peer = [] if self.peer is None else ["", self.peer.table(), self._ahead(self.peer)]
        return "\n".join([self.statistics.table(), "", *lines, "", steps_table(self.steps), "", self._floor(), *peer])

    def _ahead(self, peer: PeerResult) -> str:
        times = self.whole_fps * peer.peer_whole_ms / 1000
        return f"the file: {times:.1f} times the frames a second of {peer.name}, one frame at a time"

    def _floor(self) -> str:
        work, share = self.work, self.of_peak
        return "\n".join(
            [
                f"the network: {work.multiplications / 1e9:.1f} G multiplications a frame, "
                f"{(work.weight_bytes + work.activation_bytes) / 1e6:.0f} MB read and written",
                *(
                    f"plain {name} matrix products here: {speed / 1e9:.0f} G a second; the network runs at "
                    f"{100 * share[name]:.0f} % of that"
                    for name, speed in self.peak.items()
                ),
                *self._in_kernels(),
            ]
        )

    def _in_kernels(self) -> list[str]:
        if self.products is None:
            return []
        return [f"its kernels do {self.products / 1e9:.1f} G of them, in 16 bits: Winograd's method saves the others"]


def run_bench(
    source: str, background: str, duration: float, against: str | None = None, speed: str = "best", **network: Any
) -> BenchResult:
    """Measure ``duration`` seconds of a file, and another program (``against``) on some of its frames.

    Raises what VideoJob.run and open_peer raise.

    The network is timed before and after the whole: a machine that others use too is not equally fast all the time.
    """
    matting = Matting(speed=speed)
    peer = None if against is None else against_peer(source, background, against, **network)
    in_flight = frames_in_flight(network["threads"], matting.every)
    device = Segmenter(**network, forms=matting.forms, in_flight=in_flight).device
    forms = usual_forms(matting.pace.fine, _NETWORK_FRAMES)
    prepared, products = _prepared(device, source, forms), _products(network, forms)
    with tempfile.TemporaryDirectory(prefix="streamseg-bench-") as folder:
        codecs = transcode(source, Path(folder) / "transcoded.mp4", duration)
        peak = {name: multiplications_per_second(name, network["threads"]) for name in ("int8", "float32")}
        before = _network_seconds(device, prepared)
        output = Path(folder) / "whole.mp4"
        whole = VideoJob(source, output, background, duration=duration, matting=matting, **network).run()
        after = _network_seconds(device, prepared)
    network_fps = 2 * len(prepared) / (before + after)
    return BenchResult(
        frames=whole.frames,
        every=matting.every,
        network_fps=network_fps,
        transcode_fps=codecs.items_per_second,
        whole_fps=whole.fps,
        work=_work(network, forms),
        peak=peak,
        products=products,
        cold_start=cold_start_seconds(source, background),
        memory=peak_megabytes(source, background, speed),
        steps=step_costs(source, background, matting, **network),
        peer=peer,
        statistics=whole.statistics,
    )


def _in_integers(network: dict[str, Any]) -> bool:
    return network["precision"] != "float32" and network["weights"] is None and bool(network["model"] == "u2netp")


def _work(network: dict[str, Any], forms: list[bool]) -> Work:
    """The mean of looks."""
    net, size, ranks = architecture(network["model"]), 4, {}
    if _in_integers(network):
        size, ranks = 1, {} if kernels_suit() else quantised_ranks()
    return mean_work([network_work(net, value_bytes=size, detail=form, ranks={} if form else ranks) for form in forms])


def _products(network: dict[str, Any], forms: list[bool]) -> int | None:
    """Likewise, of what the kernels do."""
    if not (_in_integers(network) and kernels_suit()):
        return None
    of = {form: NetworkPlan(QUANTISED_SIZE, form).products for form in set(forms)}
    return round(sum(of[form] for form in forms) / len(forms))


def _prepared(device: Device, source: str, forms: list[bool]) -> list[Any]:
    with VideoReader(source, tolerant=True) as reader:
        frames = islice((item for item in reader if isinstance(item, Frame)), _NETWORK_FRAMES)
        return [device.prepare(frame, Look(fine=form)) for frame, form in zip(frames, forms, strict=False)]


def _network_seconds(device: Device, prepared: list[Any]) -> float:
    _run_all(device, prepared[:_WARM_UP])
    started = perf_counter()
    _run_all(device, prepared)
    return perf_counter() - started


def _run_all(device: Device, prepared: list[Any]) -> None:
    for begun in [device.network(item) for item in prepared]:
        device.saliency(begun)
