"""Small real videos, and the command run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture(scope="session")
def sample_clip() -> Path:
    return SAMPLES / "clip.mp4"


@pytest.fixture(scope="session")
def beach() -> Path:
    return SAMPLES / "beach.jpg"


@pytest.fixture(scope="session")
def streamseg_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in a process of its own; options as for subprocess.run."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "streamseg.pipelines.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)

    return run


@pytest.fixture(scope="session")
def frames_of() -> Callable[[Path], list[av.VideoFrame]]:
    """All decoded frames of a file."""

    def decode(path: Path) -> list[av.VideoFrame]:
        with av.open(str(path)) as container:
            return list(container.decode(video=0))

    return decode


@pytest.fixture(scope="session")
def times_of() -> Callable[[Path], list[Fraction]]:
    """The exact time stamps of a file's frames, in seconds."""

    def times(path: Path) -> list[Fraction]:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return [frame.pts * stream.time_base for frame in container.decode(stream)]

    return times


@pytest.fixture(scope="session")
def packets_of() -> Callable[[Path, str], list[tuple[Fraction, bytes]]]:
    """Time in seconds and bytes of every packet of the first stream of a kind."""

    def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
        with av.open(str(path)) as container:
            stream = next(stream for stream in container.streams if stream.type == kind)
            return [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.size]

    return packets


@pytest.fixture(scope="session")
def few_frames(tmp_path_factory: pytest.TempPathFactory, sample_clip: Path) -> Callable[..., Path]:
    """Makes a lossless clip of a few frames of the sample in any pixel format and range."""
    folder = tmp_path_factory.mktemp("clips")

    def make(pixel_format: str = "yuv420p", full_range: bool = False, count: int = 2, suffix: str = ".mkv") -> Path:
        path = folder / f"{pixel_format}-{full_range}-{count}{suffix}"
        if not path.exists():
            _write_lossless(path, sample_clip, pixel_format, full_range, count)
        return path

    return make


def _write_lossless(path: Path, source: Path, pixel_format: str, full_range: bool, count: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 240, pixel_format
        stream.codec_context.color_range = 2 if full_range else 1
        stream.codec_context.colorspace = 1
        for frame in _converted(source, pixel_format, full_range, count):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _converted(source: Path, pixel_format: str, full_range: bool, count: int) -> Iterator[av.VideoFrame]:
    with av.open(str(source)) as container:
        for number, frame in zip(range(count), container.decode(video=0), strict=False):
            small = frame.reformat(320, 240, pixel_format, dst_color_range=2 if full_range else 1)
            small.pts, small.time_base = number, Fraction(1, 24)
            yield small
