"""A video file in, a video file out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn

from av.packet import Packet

from streamseg.device import Device
from streamseg.device.cpu.compiled import NOT_COMPILED
from streamseg.device.cpu.matting.backend import best_backend
from streamseg.errors import DamagedInput, OptionError, OutputError, StageError
from streamseg.frame import Frame
from streamseg.matting.backend import NumPyBackend
from streamseg.matting.choosing.choice import Subject
from streamseg.matting.tracking.near import SubjectFigures
from streamseg.media.gpu.decoding import HWACCELS, GPUDecoding, open_reader
from streamseg.media.gpu.encoding import choose_gpu_target
from streamseg.media.pixels.conform import Shape
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.origin import Origin, is_described
from streamseg.media.writing.target import Encoding, Target, asks_for_alpha, choose_target
from streamseg.media.writing.writer import Writer, open_writer
from streamseg.runtime import Runner, Stage, Statistics, usable_cores

from .segmenter import Segmenter
from .stages.choosing import chosen_matting
from .stages.effect import TRANSPARENT, Effect, open_effect
from .stages.gpu import gpu_composites, gpu_stages
from .stages.matting import matting_stages
from .stages.options import Matting
from .summary import Summary

__all__ = ["VideoJob", "process_video"]

# The options of a VideoJob that are those of Segmenter.
_NETWORK = ("model", "weights", "precision", "device", "threads", "subject")


def frames_in_flight(threads: int | None, every: int) -> int:
    """Inferences at a time for a file: two cores for each, up to four.

    One core for each would be a little faster, but then the ROI of a frame comes from an older matte, mattes are worse,
    and each frame in flight takes 25 MB. If the network sees every second frame or fewer, inferences do not overlap.
    """
    return max(1, min(4, (threads or usable_cores()) // 2)) if every == 1 else 1


def codec_threads(on_gpu: bool) -> int:
    """Threads of the decoder, and of the encoder. Beside the network on the same cores, half of them are enough, and
    every thread holds frames; with the network on a GPU 0, which is as many as there are cores."""
    return 0 if on_gpu else max(1, usable_cores() // 2)


def pipeline_stages(
    device: Device,
    matting: Matting,
    lag: int,
    effect: Effect,
    sink: Callable[[Any], None],
    figures: SubjectFigures | None = None,
) -> list[Stage[Any, Any]]:
    """The way of a frame from the source to the sink; each stage can be called without threads."""
    if device.name == "cuda" and gpu_composites(effect):
        return [*gpu_stages(device, matting, lag > 0, effect, figures), Stage("sink", sink)]
    return [
        *matting_stages(device, matting, lag, figures),
        Stage("composite", lambda cutout: effect.apply(*cutout)),
        Stage("sink", sink),
    ]


@dataclass
class VideoJob:
    """One video to be given a new background; ``run`` does it, ``stop`` ends it early.

    Args:
        source: path, "-" for standard input, or a URL that FFmpeg opens.
        output: a video file (.mp4 .mov .mkv .webm …) or a folder for numbered PNGs.
        background: an image, a video, "blur" or "blur:STRENGTH", a colour, "transparent" or "matte". None
            is "transparent" where the output's name asks for alpha (.mov, .webm, a folder), else "blur".
        stream: which video stream of the source, from 0.
        start, duration: seconds; the part to process. Time stamps count from ``start``.
        audio: keep the sound.
        encoding: codec, quality and preset.
        overwrite: replace an existing output.
        tolerant: skip damage in the source.
        matting: how mattes are made: steadiness, edges, speed.
        model, weights, precision, device, threads, subject: see Segmenter. Times of points count in the source.
        hwaccel: what decodes: "none", the CPU; "cuda", an NVIDIA GPU, or it fails; "auto", the GPU where it also does
            the rest and can decode the source, else the CPU, with the reason.

    Attributes:
        expected_frames: how many frames will be written, an estimate; None where unknown or not yet known.
        newest: the frame that was written last, for a preview.
        summary: what was done, once that is known; there is one after DamagedInput too.
    """

    source: str | Path
    output: str | Path
    background: str | Path | None = None
    stream: int = 0
    start: float = 0.0
    duration: float | None = None
    audio: bool = True
    encoding: Encoding = field(default_factory=Encoding)
    overwrite: bool = False
    tolerant: bool = False
    matting: Matting = field(default_factory=Matting)
    model: str = "u2netp"
    weights: str | Path | None = None
    precision: str | None = None
    device: str = "cpu"
    threads: int | None = None
    subject: Subject = "auto"
    hwaccel: str = "auto"

    def __post_init__(self) -> None:
        if self.hwaccel not in HWACCELS:
            raise OptionError(f"hwaccel {self.hwaccel!r}: expected {', '.join(HWACCELS)}")
        if not isinstance(self.background, str | Path | None):
            raise OptionError(f"background is {type(self.background).__name__}: expected a name or path")
        self.start = _seconds("start", self.start)
        self.duration = None if self.duration is None else _seconds("duration", self.duration)
        self.expected_frames: int | None = None
        self.summary: Summary | None = None
        self.newest: Frame | None = None
        self._runner: Runner | None = None
        self._stopped = False
        self._subject = SubjectFigures()
        self._begins: float | None = None

    def run(
        self,
        on_tick: Callable[[Statistics], None] | None = None,
        on_start: Callable[[], None] | None = None,
    ) -> Summary:
        """Process the video.

        Args:
            on_tick: called about ten times a second with live statistics.
            on_start: called once, when everything is open and before anything is written.

        Raises:
            InputError: the source cannot be opened or used.
            DamagedInput: the source is damaged; the output holds what came before the damage.
            OptionError: options that contradict each other or the output.
            OutputError: the output cannot be written; what was written before is kept if it can be played.
        """
        with ExitStack() as stack:
            # A GPU comes first: its decoder works in the context that the device has opened.
            device = None if self.device == "cpu" else self._device()
            reader = self._reader(device)
            stack.callback(lambda: None if self._abandoned() else reader.close())
            background = self._background()
            target = self._target(reader, background == TRANSPARENT, device)
            shape = reader.deliver(target.working_format(reader.info.shape.format), target.even)
            device = device or self._device()
            matting = chosen_matting(self.matting, self.subject, self.start, reader.info, device.name)
            effect = open_effect(background, device, shape, target.format, self._begins)
            stack.callback(effect.close)
            reader.copied = self._copied(reader)
            if on_start is not None:
                on_start()
            writer = self._writer(target, shape, reader)
            unfinished = stack.enter_context(ExitStack())
            unfinished.callback(writer.discard)
            stages = pipeline_stages(device, matting, self._in_flight, effect, self._sink(writer), self._subject)
            # Queues of one: the network is the slowest stage by far, and frames are large.
            self._runner = Runner(reader, stages, queue_size=1, bypass=lambda item: isinstance(item, Packet))
            self.expected_frames = reader.info.frames
            unfinished.pop_all()
            return self._finish(reader, writer, self._runner, on_tick, target.reason)

    def stop(self) -> None:
        """End early; frames in flight are still written. Safe in signal handlers and from any thread."""
        self._stopped = True
        if self._runner is not None:
            self._runner.stop()

    def _reader(self, device: Device | None) -> VideoReader:
        on_gpu = device is not None and device.name == "cuda"
        decoding = None
        if self.hwaccel == "cuda" or (self.hwaccel == "auto" and on_gpu):
            decoding = GPUDecoding(stays=on_gpu, required=self.hwaccel == "cuda")
        part = self.stream, self.start, self.duration, self.tolerant, codec_threads(on_gpu)
        return open_reader(str(self.source), *part, decoding)

    def _device(self) -> Device:
        network = {name: getattr(self, name) for name in _NETWORK}
        return Segmenter(**network, in_flight=self._in_flight, variants=self.matting.variants).device

    @property
    def _in_flight(self) -> int:
        return frames_in_flight(self.threads, self.matting.every)

    def _sink(self, writer: Writer) -> Callable[[Any], None]:
        def write(item: Frame | Packet[Any]) -> None:
            writer.write(item)
            if isinstance(item, Frame):
                self.newest = item

        return write

    def _writer(self, target: Target, shape: Shape, reader: VideoReader) -> Writer:
        return open_writer(target, shape, Origin.of(reader), reader.copied, self.overwrite)

    def _background(self) -> str:
        if self.background is not None:
            return str(self.background)
        return TRANSPARENT if asks_for_alpha(str(self.output)) else "blur"

    def _target(self, reader: VideoReader, alpha: bool, device: Device | None) -> Target:
        if device is not None and device.name == "cuda":
            return choose_gpu_target(str(self.output), reader.info, alpha, self.encoding)
        encoding = replace(self.encoding, threads=self.encoding.threads or codec_threads(on_gpu=False))
        shape = reader.info.shape
        return choose_target(str(self.output), shape.format, alpha, encoding, shape.colour)

    def _copied(self, reader: VideoReader) -> Sequence[Any]:
        kinds = {"subtitle", "data", "attachment"} | ({"audio"} if self.audio else set())
        return [stream for stream in reader.container.streams if stream.type in kinds and not is_described(stream)]

    def _abandoned(self) -> bool:
        return self._runner is not None and self._runner.statistics.abandoned_source

    def _finish(
        self,
        reader: VideoReader,
        writer: Writer,
        runner: Runner,
        on_tick: Callable[[Statistics], None] | None,
        encoding: str,
    ) -> Summary:
        """Run, and complete or discard the output in every case."""
        damage: DamagedInput | None = None
        if self._stopped:
            runner.stop()
        try:
            runner.run(on_tick)
        except StageError as error:
            damage = _damage(error)
            if damage is None:
                self._give_up(writer, error)
        except BaseException:
            writer.discard()
            raise
        self._complete(writer, runner)
        slow = [NOT_COMPILED] if self.device == "cpu" and best_backend().name == NumPyBackend.name else []
        warnings = [*reader.warnings, *writer.warnings, *slow]
        figures = runner.statistics
        names = str(self.source), str(self.output)
        self.summary = Summary.of(names, figures, warnings, encoding, str(self._subject))
        if damage is not None:
            raise DamagedInput(f"{self.source}: {damage} ({figures.items} frames in {self.output})", damage.time)
        return self.summary

    def _give_up(self, writer: Writer, error: StageError) -> NoReturn:
        """Raise the error; after a failed write what was written before is kept."""
        if isinstance(error.__cause__, OutputError) and writer.salvage():
            raise OutputError(f"{error.__cause__}; what was written before is kept there") from error.__cause__
        if not isinstance(error.__cause__, OutputError):
            writer.discard()
        raise error.plain from error.__cause__

    def _complete(self, writer: Writer, runner: Runner) -> None:
        if not runner.statistics.items:
            writer.discard()
            return
        try:
            writer.finish()
        except OutputError as error:
            if writer.salvage():
                raise OutputError(f"{error}; what was written before is kept there") from error
            raise


def process_video(
    source: str | Path, output: str | Path, background: str | Path | None = None, **options: Any
) -> Summary:
    """Give a video a new background: ``VideoJob(source, output, background, **options).run()``."""
    return VideoJob(source, output, background, **options).run()


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, Real):
        return float(value)
    raise OptionError(f"{name} is {value!r}: expected a number of seconds")


def _damage(error: StageError) -> DamagedInput | None:
    return error.__cause__ if isinstance(error.__cause__, DamagedInput) else None
