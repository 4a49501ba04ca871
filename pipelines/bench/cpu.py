"""The benchmark on the CPU: each stage, the network alone, the codecs alone, and end to end."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from streamseg.deprecation import with_old_keys
from streamseg.device import Device
from streamseg.device.cpu.integer.network import integer_network_supported
from streamseg.device.cpu.integer.network_plan import NetworkPlan
from streamseg.device.cpu.integer.plan import Instructions, supported_instructions
from streamseg.device.cpu.openvino.peak import multiplications_per_second
from streamseg.device.cpu.quantised import packaged_quantised
from streamseg.frame import Frame
from streamseg.matting.tracking.inference import Inference, usual_variants
from streamseg.media.reading.reader import VideoReader
from streamseg.network.architecture import INPUT_SIZE, Variant, architecture
from streamseg.network.quantised import QuantisedWeights
from streamseg.network.weights import Weights
from streamseg.network.work import Work, mean_work, network_work
from streamseg.runtime import Statistics

from ..segmenter import Segmenter, weights_for
from ..stages.options import Matting
from ..video import VideoJob, frames_in_flight
from .cold_start import cold_start_seconds
from .memory import peak_megabytes
from .peer import PeerResult, against_peer
from .steps import OLD_STEPS, step_costs, steps_table
from .transcode import transcode

__all__ = ["BenchResult", "run_bench"]

_NETWORK_FRAMES = 40
_WARM_UP = 4
_OLD_KEYS = {"whole_fps": "end_to_end_fps", "products": "kernel_multiplications"}


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Figures of one run on one machine; compare only within one.

    Attributes:
        frames: frames of the file that were used.
        every: the network sees every n-th frame.
        network_fps: the network alone, in full and lite inferences as for a file, with as many in flight.
        transcode_fps: decoding and encoding alone, with the same settings but on all cores.
        end_to_end_fps: from the decoder to the encoder.
        work: of one inference, the mean of full and lite ones.
        peak: multiplications a second, each with an addition, of plain matrix products in OpenVINO, by precision:
            "int8" and "float32".
        kernel_multiplications: multiplications that the integer kernels do for ``work``, fewer by Winograd's method;
            None if OpenVINO runs the network.
        cold_start: seconds from the start of a process to the first frame written.
        memory: peak resident megabytes of a process that processes the file.
        steps: milliseconds a frame of each step around the network on one core, see step_costs.
        peer: another program on the same frames, if asked for.
        statistics: of the stages, end to end.
    """

    frames: int
    every: int
    network_fps: float
    transcode_fps: float
    end_to_end_fps: float
    work: Work
    peak: dict[str, float]
    kernel_multiplications: int | None
    cold_start: float
    memory: float
    steps: dict[str, float]
    peer: PeerResult | None
    statistics: Statistics = field(repr=False)

    @property
    def efficiency(self) -> float:
        """``end_to_end_fps`` as a fraction of the slower of network and codecs; 1 is perfect."""
        return self.end_to_end_fps / min(self.every * self.network_fps, self.transcode_fps)

    @property
    def of_peak(self) -> dict[str, float]:
        """The network's multiplications a second, as a fraction of ``peak`` in each precision."""
        return {name: self.work.multiplications * self.network_fps / speed for name, speed in self.peak.items()}

    def as_dict(self) -> dict[str, Any]:
        """For JSON, also under the keys of the release before."""
        figures = {
            **asdict(self),
            "steps": with_old_keys(self.steps, OLD_STEPS),
            "peer": None if self.peer is None else self.peer.as_dict(),
            "efficiency": self.efficiency,
            "of_peak": self.of_peak,
            "statistics": self.statistics.as_dict(),
        }
        return with_old_keys(figures, _OLD_KEYS)

    def table(self) -> str:
        """For people."""
        rows = [
            ("network alone", self.network_fps),
            ("decode and encode alone", self.transcode_fps),
            ("end to end", self.end_to_end_fps),
        ]
        lines = [f"{name:<26}{fps:8.1f} fps {1000 / fps:8.2f} ms a frame" for name, fps in rows]
        lines.append(f"end to end reaches {self.efficiency:.2f} of the slower of the two ({self.frames} frames)")
        lines.append(f"cold start, to the first frame written: {self.cold_start:.2f} s")
        lines.append(f"peak resident memory of the command: {self.memory:.0f} MB")
        peer = [] if self.peer is None else ["", self.peer.table(), self._speed_up(self.peer)]
        return "\n".join([self.statistics.table(), "", *lines, "", steps_table(self.steps), "", self._limits(), *peer])

    def _speed_up(self, peer: PeerResult) -> str:
        times = self.end_to_end_fps * peer.peer_end_to_end_ms / 1000
        return f"the file: {times:.1f} times the frames per second of {peer.name}, which takes one frame at a time"

    def _limits(self) -> str:
        work, share = self.work, self.of_peak
        return "\n".join(
            [
                f"the network: {work.multiplications / 1e9:.1f} G multiplications an inference, "
                f"{(work.weight_bytes + work.activation_bytes) / 1e6:.0f} MB read and written",
                *(
                    f"plain {name} matrix products here: {speed / 1e9:.0f} G a second; the network runs at "
                    f"{100 * share[name]:.0f} % of that"
                    for name, speed in self.peak.items()
                ),
                *self._kernel_work(),
            ]
        )

    def _kernel_work(self) -> list[str]:
        if self.kernel_multiplications is None:
            return []
        billions = self.kernel_multiplications / 1e9
        tiles = Instructions.AMX in supported_instructions()
        how = "in 8-bit matrix tiles" if tiles else "by Winograd's method, in 16 bits"
        return [f"its kernels do {billions:.1f} G of them, {how}"]


def run_bench(
    source: str, background: str, duration: float, against: str | None = None, speed: str = "best", **network: Any
) -> BenchResult:
    """Measure the first ``duration`` seconds of a file, and another program (``against``) on some of its frames.

    Raises what VideoJob.run and open_peer raise.

    The network is timed before and after the run end to end: where others use the machine too, its speed varies.
    """
    matting = Matting(speed=speed)
    peer = None if against is None else against_peer(source, background, against, **network)
    in_flight = frames_in_flight(network["threads"], matting.every)
    device = Segmenter(**network, variants=matting.variants, in_flight=in_flight).device
    variants = usual_variants(matting.settings.full_every, _NETWORK_FRAMES)
    prepared, kernel_multiplications = _prepared(device, source, variants), _kernel_multiplications(network, variants)
    with tempfile.TemporaryDirectory(prefix="streamseg-bench-") as folder:
        codecs = transcode(source, Path(folder) / "transcoded.mp4", duration)
        peak = {name: multiplications_per_second(name, network["threads"]) for name in ("int8", "float32")}
        before = _network_seconds(device, prepared)
        output = Path(folder) / "end-to-end.mp4"
        summary = VideoJob(source, output, background, duration=duration, matting=matting, **network).run()
        after = _network_seconds(device, prepared)
    return BenchResult(
        frames=summary.frames,
        every=matting.every,
        network_fps=2 * len(prepared) / (before + after),
        transcode_fps=codecs.items_per_second,
        end_to_end_fps=summary.fps,
        work=_work(network, variants),
        peak=peak,
        kernel_multiplications=kernel_multiplications,
        cold_start=cold_start_seconds(source, background),
        memory=peak_megabytes(source, background, speed),
        steps=step_costs(source, background, matting, **network),
        peer=peer,
        statistics=summary.statistics,
    )


def _quantised(network: dict[str, Any]) -> QuantisedWeights | None:
    """The weights that are run in 8-bit integers; None for others."""
    weights = weights_for(network["model"], network["weights"], network["precision"])
    if isinstance(weights, Weights):
        return None
    return packaged_quantised() if weights is None else weights


def _work(network: dict[str, Any], variants: list[Variant]) -> Work:
    """The mean over the inferences."""
    net, value_bytes, ranks = architecture(network["model"]), 4, {}
    quantised = _quantised(network)
    if quantised is not None:
        value_bytes, ranks = 1, {} if integer_network_supported() else quantised.ranks
    of: dict[Variant, Work] = {
        "full": network_work(net, value_bytes=value_bytes, variant="full"),
        "lite": network_work(net, value_bytes=value_bytes, variant="lite", ranks=ranks),
    }
    return mean_work([of[variant] for variant in variants])


def _kernel_multiplications(network: dict[str, Any], variants: list[Variant]) -> int | None:
    """The mean over the inferences, of what the integer kernels do; None if they do not run the network."""
    quantised = _quantised(network)
    if quantised is None or not integer_network_supported():
        return None
    of = {variant: NetworkPlan(quantised, INPUT_SIZE, variant).multiplications for variant in set(variants)}
    return round(sum(of[variant] for variant in variants) / len(variants))


def _prepared(device: Device, source: str, variants: list[Variant]) -> list[Any]:
    with VideoReader(source, tolerant=True) as reader:
        frames = islice((item for item in reader if isinstance(item, Frame)), _NETWORK_FRAMES)
        inferences = (Inference(variant=variant) for variant in variants)
        return [device.prepare(*pair) for pair in zip(frames, inferences, strict=False)]


def _network_seconds(device: Device, prepared: list[Any]) -> float:
    _run_all(device, prepared[:_WARM_UP])
    started = perf_counter()
    _run_all(device, prepared)
    return perf_counter() - started


def _run_all(device: Device, prepared: list[Any]) -> None:
    for pending in [device.network(item) for item in prepared]:
        device.saliency(pending)
