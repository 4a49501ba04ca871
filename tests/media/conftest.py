"""Small media files, made when a test asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet

from streamseg.frame import Frame, PixelFormat
from streamseg.media.native import plane_views
from streamseg.media.origin import Origin
from streamseg.media.place import Place
from streamseg.media.reader import VideoReader
from streamseg.media.target import Encoding, choose_target
from streamseg.media.writer import open_writer

_LOSSLESS = {"libx264": {"qp": "0", "preset": "ultrafast"}, "libx264rgb": {"qp": "0", "preset": "ultrafast"}}


def busy_picture(index: int, width: int, height: int, pixel_format: str) -> av.VideoFrame:
    """A picture that differs from place to place and from index to index; planar formats only."""
    native = av.VideoFrame(width, height, pixel_format)
    form = PixelFormat.parse(pixel_format.replace("yuvj", "yuv"))
    for number, plane in enumerate(plane_views(native, form)):
        rows, columns = np.indices(plane.shape)
        level = 60 + (3 * columns + 5 * rows + 11 * index + 40 * number) % 120
        plane[:] = level << (form.depth - 8)
    return native


def flat_picture(level: int, width: int, height: int, pixel_format: str) -> av.VideoFrame:
    """A grey picture."""
    native = av.VideoFrame(width, height, pixel_format)
    form = PixelFormat.parse(pixel_format)
    for number, plane in enumerate(plane_views(native, form)):
        plane[:] = (level if number == 0 else 128) << (form.depth - 8)
    return native


def tone(seconds: float, rate: int, layout: str = "mono", hertz: float = 330.0) -> list[av.AudioFrame]:
    """A tone that swells, so that a shift in time shows, in frames of 1024 samples."""
    channels = len(av.AudioLayout(layout).channels)
    at = np.arange(int(seconds * rate)) / rate
    wave = 0.5 * np.sin(2 * np.pi * hertz * at) * (0.6 + 0.4 * np.sin(2 * np.pi * 1.7 * at + 1))
    frames = []
    for first in range(0, len(wave) - 1023, 1024):
        samples = np.repeat(wave[None, first : first + 1024].astype(np.float32), channels, axis=0)
        frame = av.AudioFrame.from_ndarray(samples, "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        frames.append(frame)
    return frames


@dataclass
class Sound:
    """Sound to be put beside a picture."""

    codec: str = "aac"
    seconds: float = 1.0
    rate: int = 48_000
    layout: str = "mono"
    language: str = "eng"
    hertz: float = 330.0


@dataclass
class ClipMaker:
    """Encodes clips into ``folder``."""

    folder: Path

    def __call__(
        self,
        name: str,
        *,
        codec: str = "libx264",
        pixel_format: str = "yuv420p",
        size: tuple[int, int] = (64, 48),
        count: int = 12,
        pts: Sequence[int] | None = None,
        time_base: Fraction = Fraction(1, 25),
        options: dict[str, str] | None = None,
        muxing: dict[str, str] | None = None,
        container: str | None = None,
        chunk: float = 0.001,
        picture: Callable[[int, int, int, str], av.VideoFrame] = busy_picture,
        videos: int = 1,
        sounds: Sequence[Sound] = (),
        prepare: Callable[[Any, Any], None] | None = None,
        extras: Callable[[Any, Any], list[Packet[Any]]] | None = None,
    ) -> Path:
        path = self.folder / name
        chosen = _LOSSLESS.get(codec, {}) if options is None else options
        muxing = (muxing or {}) | ({} if chunk < 0.1 else {"max_interleave_delta": "1"})
        with av.open(str(path), "w", format=container, options=muxing) as output:
            streams: list[Any] = []
            for _ in range(videos):
                stream: Any = output.add_stream(codec, rate=max(1, round(1 / time_base)))
                stream.options = dict(chosen)
                stream.width, stream.height, stream.pix_fmt = *size, pixel_format
                stream.time_base = stream.codec_context.time_base = time_base
                stream.codec_context.thread_count = 1
                streams.append(stream)
            voices = [(sound, _add_sound(output, sound)) for sound in sounds]
            if prepare:
                prepare(output, streams[0])
            packets: list[Packet[Any]] = extras(output, streams[0]) if extras else []
            for order, stream in enumerate(streams):
                for index, stamp in enumerate(pts if pts is not None else range(count)):
                    native = picture(index + 5 * order, *size, pixel_format)
                    native.pts, native.time_base = stamp, time_base
                    packets += stream.encode(native)
                packets += stream.encode(None)
            for sound, stream in voices:
                for frame in tone(sound.seconds, sound.rate, sound.layout, sound.hertz):
                    packets += stream.encode(frame)
                packets += stream.encode(None)
            output.start_encoding()
            packets.sort(key=lambda packet: (packet.dts * packet.time_base // chunk, packet.stream.index))
            for packet in packets:
                output.mux_one(packet)
        return path


def _add_sound(output: Any, sound: Sound) -> Any:
    stream = output.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)
    stream.metadata["language"] = sound.language
    return stream


@pytest.fixture
def make_clip(tmp_path: Path) -> ClipMaker:
    return ClipMaker(tmp_path)


@pytest.fixture
def sound() -> type[Sound]:
    return Sound


@pytest.fixture
def flat() -> Callable[[int, int, int, str], av.VideoFrame]:
    """A ``picture`` for make_clip whose luma is 20 plus four times the index."""
    return lambda index, width, height, name: flat_picture(20 + 4 * index, width, height, name)


@pytest.fixture
def frames_of() -> Callable[..., list[Frame]]:
    """All frames that a VideoReader gives."""

    def read(path: Path | str, **options: Any) -> list[Frame]:
        with VideoReader(str(path), **options) as reader:
            return [item for item in reader if isinstance(item, Frame)]

    return read


@pytest.fixture
def plain() -> Callable[..., list[av.VideoFrame]]:
    """What PyAV alone decodes of a video stream, in a single thread."""

    def decode(path: Path | str, stream: int = 0) -> list[av.VideoFrame]:
        with av.open(str(path)) as container:
            video = container.streams.video[stream]
            video.thread_type = "NONE"
            return list(container.decode(video))

    return decode


@pytest.fixture
def stamps() -> Callable[[Sequence[Any]], list[Fraction]]:
    """Exact times in seconds of frames or packets."""
    return lambda items: [item.pts * Fraction(item.time_base) for item in items]


@pytest.fixture
def packets_of() -> Callable[[Path | str, int], list[tuple[Fraction, bytes]]]:
    """Time and bytes of the packets of one stream of a file."""

    def read(path: Path | str, index: int) -> list[tuple[Fraction, bytes]]:
        with av.open(str(path)) as container:
            packets = container.demux(container.streams[index])
            return [(p.pts * p.time_base, bytes(p)) for p in packets if p.size]

    return read


@pytest.fixture
def rewrite(tmp_path: Path) -> Callable[..., Path]:
    """Drives a VideoReader straight into a writer, with nothing in between."""

    def run(
        source: Path | str,
        name: str,
        *,
        alpha: bool = False,
        copy: Sequence[str] = ("audio", "subtitle"),
        encoding: Encoding | None = None,
        overwrite: bool = False,
        warnings: list[str] | None = None,
        **options: Any,
    ) -> Path:
        with VideoReader(str(source), **options) as reader:
            path = name if Path(name).is_absolute() else f"{tmp_path}/{name}"
            target = choose_target(path, reader.info.shape.format, alpha, encoding or Encoding())
            shape = reader.deliver(target.format, target.even)
            reader.copied = [s for s in reader.container.streams if s.type in copy and s.codec_context]
            writer = open_writer(target, shape, Origin.of(reader), reader.copied, overwrite)
            try:
                for item in reader:
                    writer.write(item)
            except BaseException:
                writer.discard()
                raise
            writer.finish()
            if warnings is not None:
                warnings += writer.warnings
            return target.path

    return run


@pytest.fixture
def no_partials(tmp_path: Path) -> Callable[[], bool]:
    """Whether no half-written output is left in the folder of the test."""
    return lambda: not [path for path in tmp_path.rglob(".*") if "partial" in path.name]


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Place]:
    return lambda name="out.bin", overwrite=False, folder=False: Place(tmp_path / name, overwrite, folder)
