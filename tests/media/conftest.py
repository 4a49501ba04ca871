"""Fixtures: small media files, and readers and writers for them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from heif_boxes import with_properties

from streamseg.frame import Frame, PixelFormat
from streamseg.media.pixels.native import plane_views
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.origin import Origin, is_described
from streamseg.media.writing.output_file import OutputFile
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.media.writing.writer import open_writer

_LOSSLESS = {"libx264": {"qp": "0", "preset": "ultrafast"}, "libx264rgb": {"qp": "0", "preset": "ultrafast"}}


def patterned_frame(index: int, width: int, height: int, pixel_format: str) -> av.VideoFrame:
    """A frame with a pattern that depends on the position and on the index; planar formats only."""
    native = av.VideoFrame(width, height, pixel_format)
    planar = PixelFormat.parse(pixel_format.replace("yuvj", "yuv"))
    for number, plane in enumerate(plane_views(native, planar)):
        rows, columns = np.indices(plane.shape)
        level = 60 + (3 * columns + 5 * rows + 11 * index + 40 * number) % 120
        plane[:] = level << (planar.depth - 8)
    return native


def flat_frame(level: int, width: int, height: int, pixel_format: str) -> av.VideoFrame:
    """A grey frame."""
    native = av.VideoFrame(width, height, pixel_format)
    planar = PixelFormat.parse(pixel_format)
    for number, plane in enumerate(plane_views(native, planar)):
        plane[:] = (level if number == 0 else 128) << (planar.depth - 8)
    return native


def tone(seconds: float, rate: int, layout: str = "mono", hertz: float = 330.0) -> list[av.AudioFrame]:
    """A tone with a varying amplitude, which makes shifts in time measurable, in frames of 1024 samples."""
    channels = len(av.AudioLayout(layout).channels)
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.5 * np.sin(2 * np.pi * hertz * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 1.7 * time + 1))
    frames = []
    for first in range(0, len(wave) - 1023, 1024):
        samples = np.repeat(wave[None, first : first + 1024].astype(np.float32), channels, axis=0)
        frame = av.AudioFrame.from_ndarray(samples, "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        frames.append(frame)
    return frames


@dataclass
class AudioTrack:
    """An audio stream for a clip."""

    codec: str = "aac"
    seconds: float = 1.0
    rate: int = 48_000
    layout: str = "mono"
    language: str = "eng"
    hertz: float = 330.0


@dataclass
class ClipMaker:
    """Encodes clips into ``folder``; ``draw`` makes the frames from index, width, height and pixel format."""

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
        draw: Callable[[int, int, int, str], av.VideoFrame] = patterned_frame,
        videos: int = 1,
        audio: Sequence[AudioTrack] = (),
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
            audio_streams = [(track, _add_audio(output, track)) for track in audio]
            if prepare:
                prepare(output, streams[0])
            packets: list[Packet[Any]] = extras(output, streams[0]) if extras else []
            for order, stream in enumerate(streams):
                for index, stamp in enumerate(pts if pts is not None else range(count)):
                    native = draw(index + 5 * order, *size, pixel_format)
                    native.pts, native.time_base = stamp, time_base
                    packets += stream.encode(native)
                packets += stream.encode(None)
            for track, stream in audio_streams:
                for frame in tone(track.seconds, track.rate, track.layout, track.hertz):
                    packets += stream.encode(frame)
                packets += stream.encode(None)
            output.start_encoding()
            packets.sort(key=lambda packet: (packet.dts * packet.time_base // chunk, packet.stream.index))
            for packet in packets:
                output.mux_one(packet)
        return path


def _add_audio(output: Any, track: AudioTrack) -> Any:
    stream = output.add_stream(track.codec, rate=track.rate, layout=track.layout)
    stream.metadata["language"] = track.language
    return stream


@pytest.fixture
def make_clip(tmp_path: Path) -> ClipMaker:
    return ClipMaker(tmp_path)


@pytest.fixture
def audio_track() -> type[AudioTrack]:
    return AudioTrack


@pytest.fixture
def flat() -> Callable[[int, int, int, str], av.VideoFrame]:
    """A ``draw`` for make_clip: flat frames whose luma is 20 plus four times the index."""
    return lambda index, width, height, name: flat_frame(20 + 4 * index, width, height, name)


@pytest.fixture
def frames_of() -> Callable[..., list[Frame]]:
    """Reads all frames with a VideoReader."""

    def read(path: Path | str, **options: Any) -> list[Frame]:
        with VideoReader(str(path), **options) as reader:
            return [item for item in reader if isinstance(item, Frame)]

    return read


@pytest.fixture
def pyav_frames() -> Callable[..., list[av.VideoFrame]]:
    """Decodes a video stream with PyAV alone, in a single thread."""

    def decode(path: Path | str, stream: int = 0) -> list[av.VideoFrame]:
        with av.open(str(path)) as container:
            video = container.streams.video[stream]
            video.thread_type = "NONE"
            return list(container.decode(video))

    return decode


@pytest.fixture
def times_of() -> Callable[[Sequence[Any]], list[Fraction]]:
    """Exact times in seconds of frames or packets."""
    return lambda items: [item.pts * Fraction(item.time_base) for item in items]


@pytest.fixture
def packets_of() -> Callable[[Path | str, int], list[tuple[Fraction, bytes]]]:
    """Reads time and bytes of the packets of one stream of a file."""

    def read(path: Path | str, index: int) -> list[tuple[Fraction, bytes]]:
        with av.open(str(path)) as container:
            packets = container.demux(container.streams[index])
            return [(p.pts * p.time_base, bytes(p)) for p in packets if p.size]

    return read


@pytest.fixture
def rewrite(tmp_path: Path) -> Callable[..., Path]:
    """Reads a file with VideoReader and passes everything to a writer, without changes."""

    def run(
        source: Path | str,
        name: str,
        *,
        alpha: bool = False,
        copy: Sequence[str] = ("audio", "subtitle", "data", "attachment"),
        encoding: Encoding | None = None,
        overwrite: bool = False,
        warnings: list[str] | None = None,
        **options: Any,
    ) -> Path:
        with VideoReader(str(source), **options) as reader:
            path = name if Path(name).is_absolute() else f"{tmp_path}/{name}"
            target = choose_target(
                path, reader.info.shape.format, alpha, encoding or Encoding(), reader.info.shape.colour
            )
            shape = reader.deliver(target.format, target.even)
            reader.copied = [s for s in reader.container.streams if s.type in copy and not is_described(s)]
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


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def _with_boxes(data: bytes, extra: bytes) -> bytes:
    """Boxes of an MP4, with ``extra`` at the end of the first entry of the first sample description."""
    out, at = b"", 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        payload = data[at + 8 : at + size]
        if kind == b"stsd" and extra:
            (entry,) = struct.unpack(">I", payload[8:12])
            payload = payload[:8] + _box(payload[12:16], payload[16 : 8 + entry] + extra) + payload[8 + entry :]
        elif kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            changed = _with_boxes(payload, extra)
            payload, extra = changed, extra if changed == payload else b""
        out += _box(kind, payload)
        at += size
    return out


@pytest.fixture
def add_boxes() -> Callable[..., None]:
    """Adds boxes, (kind, payload) each, to the description of the video in an MP4 or MOV, in place."""

    def add(path: Path, *boxes: tuple[bytes, bytes]) -> None:
        path.write_bytes(_with_boxes(path.read_bytes(), b"".join(_box(*each) for each in boxes)))

    return add


@pytest.fixture
def no_partial_files(tmp_path: Path) -> Callable[[], bool]:
    """Whether no incomplete output is left in the folder of the test."""
    return lambda: not [path for path in tmp_path.rglob(".*") if "partial" in path.name]


@pytest.fixture
def output_file(tmp_path: Path) -> Callable[..., OutputFile]:
    return lambda name="out.bin", overwrite=False, folder=False: OutputFile(tmp_path / name, overwrite, folder)


@pytest.fixture
def heif_with() -> Callable[..., bytes]:
    """A HEIF file, as bytes, with properties, (kind, payload) each, added to those of its image, in that order."""
    return with_properties
