"""Writers: frames, time stamps and metadata of the source are in the output; failures leave nothing behind."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.errors import OptionError, OutputError
from streamseg.frame import Colour, Frame
from streamseg.media.reading.durations import Durations
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.display_size import set_display_size
from streamseg.media.writing.origin import Origin
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.media.writing.writer import open_writer

MILLISECOND = Fraction(1, 1000)
UNEVEN = [0, 1, 2, 5, 6, 10, 20, 21, 22, 40, 41, 43]
CONTAINERS = ["out.mp4", "out.mov", "out.mkv", "out.webm"]


def describe(output, stream):
    """Sets all metadata that a file can have about its video."""
    context = stream.codec_context
    context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, 16
    context.sample_aspect_ratio = Fraction(4, 3)
    stream.metadata["language"] = "fra"
    output.metadata.update({"title": "A walk", "artist": "Nobody", "comment": "in spring"})
    chapters = [
        {"id": k, "start": 400 * k, "end": 400 * k + 400, "time_base": MILLISECOND, "metadata": {"title": f"Part {k}"}}
        for k in range(3)
    ]
    output.set_chapters(chapters)


@pytest.mark.parametrize("name", CONTAINERS)
def test_metadata_is_kept(make_clip, rewrite, name):
    clip = make_clip("source.mkv", pixel_format="yuv420p10le", count=30, prepare=describe)
    out = rewrite(clip, name, encoding=Encoding(crf=20, preset="8" if "webm" in name else "ultrafast"))
    with VideoReader(str(out)) as reader:
        colour = reader.info.shape.colour
        assert (colour.matrix, colour.range, colour.primaries, colour.transfer) == (9, 1, 9, 16)
        assert abs(reader.info.shape.sample_aspect_ratio - Fraction(4, 3)) < Fraction(1, 60)
        tags = {key.lower(): value for key, value in reader.container.metadata.items()}
        assert (tags["title"], tags["artist"], tags["comment"]) == ("A walk", "Nobody", "in spring")
        assert reader.video.metadata["language"] == "fra"
        chapters = reader.container.chapters()
    spans = [(c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in chapters]
    assert spans == [(Fraction(2 * k, 5), Fraction(2 * k + 2, 5)) for k in range(3)]
    assert [c["metadata"]["title"] for c in chapters] == ["Part 0", "Part 1", "Part 2"]


@pytest.mark.parametrize(
    "name, codec",
    [
        ("out.webm", None),
        ("out.webm", "av1"),
        ("out.mkv", "vp9"),
        ("out.mkv", "av1"),
        ("out.mkv", "ffv1"),
        ("out.mkv", None),
    ],
)
@pytest.mark.parametrize("ratio", [Fraction(4, 3), Fraction(2, 3)])
def test_the_sample_aspect_ratio_is_kept(make_clip, rewrite, frames_of, audio_track, name, codec, ratio):
    def not_square(_output, stream):
        stream.codec_context.sample_aspect_ratio = ratio

    clip = make_clip("source.mp4", count=3, prepare=not_square, audio=[audio_track(seconds=0.2)])
    warnings: list[str] = []
    encoding = Encoding(codec, preset="8" if codec in ("vp9", "av1") or "webm" in name else None)
    out = rewrite(clip, name, encoding=encoding, warnings=warnings)
    with VideoReader(str(out)) as reader:
        # As the size that players show, in whole pixels.
        assert abs(reader.info.shape.sample_aspect_ratio - ratio) < Fraction(1, 60)
    assert len(frames_of(out)) == 3
    assert not [warning for warning in warnings if "aspect" in warning]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may take real-time priority")
def test_no_thread_gets_real_time_priority(make_clip, tmp_path):
    with VideoReader(str(make_clip("source.mkv", count=3))) as reader:
        encoding = Encoding("av1", preset="8")
        target = choose_target(f"{tmp_path}/out.mkv", reader.info.shape.format, False, encoding)
        writer = open_writer(target, reader.info.shape, Origin.of(reader), [], False)
        for frame in reader:
            writer.write(frame)
        threads = [int(thread.name) for thread in Path("/proc/self/task").iterdir()]
        policies = [os.sched_getscheduler(thread) for thread in threads]
        writer.finish()
    assert len(policies) > 2
    assert set(policies) == {os.SCHED_OTHER}


def test_a_file_of_another_kind_gets_no_display_size(make_clip):
    clip = make_clip("source.mp4", count=2)
    before = clip.read_bytes()
    assert not set_display_size(clip, 64, 48, Fraction(4, 3))
    assert clip.read_bytes() == before


def test_full_range_is_kept(make_clip, rewrite, quick_encoding):
    def full(_output, stream):
        stream.codec_context.color_range = 2

    clip = make_clip("source.mkv", prepare=full)
    for name in CONTAINERS:
        with VideoReader(str(rewrite(clip, name, encoding=quick_encoding(name)))) as reader:
            assert reader.info.shape.colour.range == 2


@pytest.mark.parametrize("name", CONTAINERS)
def test_time_stamps_are_kept(make_clip, rewrite, quick_encoding, frames_of, times_of, name):
    clip = make_clip("source.mp4", pts=[stamp + 7 for stamp in UNEVEN], time_base=Fraction(1, 30))
    source, result = times_of(frames_of(clip)), times_of(frames_of(rewrite(clip, name, encoding=quick_encoding(name))))
    if name in ("out.mp4", "out.mov"):
        assert result == source
    assert len(result) == len(source)
    assert all(abs(a - b) <= Fraction(1, 2000) for a, b in zip(result, source, strict=True))


def test_the_last_frame_of_uneven_times_is_within_the_edit_list(make_clip, rewrite):
    """Whichever frame is decoded last: players leave out what is shown after the edit list."""
    stamps = [0, 3, 5, 8, 12, 13, 16, 21, 24, 27, 31, 33, 36, 40, 49]
    for count in range(8, len(stamps)):
        clip = make_clip(f"{count}.mkv", codec="ffv1", pts=stamps[:count], time_base=Fraction(1, 100))
        out = rewrite(clip, f"{count}.mp4", encoding=Encoding(preset="medium"))
        with av.open(str(out)) as container:
            times = [frame.time for frame in container.decode(video=0)]
        assert [round(100 * time) for time in times] == stamps[:count]


def test_the_rate_that_x264_writes_is_not_that_of_the_clock(make_clip, rewrite):
    stamps = [0, 33, 67, 100, 134, 166, 201, 233, 267]
    clip = make_clip("browser.webm", codec="libvpx", pts=stamps, time_base=MILLISECOND, options={"cpu-used": "8"})
    with av.open(str(rewrite(clip, "out.mp4"))) as container:
        assert abs(container.streams.video[0].codec_context.framerate - 30) < 1
        assert [round(1000 * frame.time) for frame in container.decode(video=0)] == stamps


@pytest.mark.parametrize("name", CONTAINERS)
def test_frames_are_kept(make_clip, rewrite, quick_encoding, frames_of, name):
    clip = make_clip("source.mkv", options={"bf": "2", "qp": "0"}, count=15)
    result = frames_of(rewrite(clip, name, encoding=quick_encoding(name)))
    for before, after in zip(frames_of(clip), result, strict=True):
        for a, b in zip(before.planes, after.planes, strict=True):
            assert np.abs(a.astype(int) - b.astype(int)).mean() < 3


def test_lossless_output_equals_the_source(make_clip, rewrite, frames_of):
    clip = make_clip("source.mkv", pixel_format="yuv422p10le", options={"bf": "2"})
    result = frames_of(rewrite(clip, "out.mkv", encoding=Encoding(codec="ffv1")))
    for before, after in zip(frames_of(clip), result, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))


def test_chapters_are_shifted_and_trimmed(make_clip, rewrite):
    clip = make_clip("source.mkv", count=30, prepare=describe)
    out = rewrite(clip, "out.mkv", start=0.6, duration=0.3)
    with av.open(str(out)) as container:
        spans = [(c["start"] * c["time_base"], c["end"] * c["time_base"]) for c in container.chapters()]
        titles = [c["metadata"]["title"] for c in container.chapters()]
    assert spans == [(0, Fraction(1, 5)), (Fraction(1, 5), Fraction(3, 10))]
    assert titles == ["Part 1", "Part 2"]


def test_the_interlaced_flag_is_kept(shared_data, rewrite):
    out = rewrite(shared_data / "clips" / "interlaced-h264.mp4", "out.mp4", duration=0.5)
    with av.open(str(out)) as container:
        assert all(native.interlaced_frame for native in container.decode(video=0))


def test_discard_leaves_nothing(make_clip, tmp_path):
    clip = make_clip("source.mkv")
    before = sorted(tmp_path.iterdir())
    for name in ("out.mp4", "frames/"):
        with VideoReader(str(clip)) as reader:
            target = choose_target(f"{tmp_path}/{name}", reader.info.shape.format, False, Encoding())
            writer = open_writer(target, reader.info.shape, Origin.of(reader), [], False)
            for frame in reader:
                writer.write(frame)
            writer.discard()
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "name, encoding, error, message",
    [
        ("out.webm", Encoding(codec="h264"), OutputError, r"out\.webm: cannot be written"),
        ("out.mp4", Encoding(preset="nonsense"), OptionError, "libx264 refuses its settings: .*preset=nonsense"),
        ("out.mov", Encoding(codec="vp9"), OutputError, r"out\.mov: cannot be written"),
    ],
)
def test_refusals_of_the_container_and_the_encoder(make_clip, rewrite, tmp_path, name, encoding, error, message):
    clip = make_clip("source.mkv")
    with pytest.raises(error, match=message) as caught:
        rewrite(clip, name, encoding=encoding)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mkv"]


FULL_DISK = """
import resource, signal, sys
from streamseg.errors import OptionError, OutputError
from streamseg.media.writing.origin import Origin
from streamseg.media.reading.durations import Durations
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.target import Encoding, choose_target
from streamseg.media.writing.writer import open_writer

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
with VideoReader(sys.argv[1]) as reader:
    target = choose_target(sys.argv[2], reader.info.shape.format, False, Encoding())
    writer = open_writer(target, reader.info.shape, Origin.of(reader), [], False)
    try:
        for frame in reader:
            writer.write(frame)
        writer.finish()
    except OutputError as error:
        print(error)
        if sys.argv[4] == "keep":
            sys.exit(4 if writer.salvage() else 5)
        writer.discard()
        sys.exit(3)
"""


def write_to_full_disk(clip, output, most, then):
    command = [sys.executable, "-W", "error", "-c", FULL_DISK, str(clip), str(output), str(most), then]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


needs_limits = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits on the size of files")


@needs_limits
@pytest.mark.parametrize("name, part", [("out.mp4", 0.5), ("out.mov", 0.97), ("out.mkv", 0.5), ("out.ts", 0.5)])
def test_what_was_written_before_the_disk_was_full_can_be_played(make_clip, rewrite, tmp_path, frames_of, name, part):
    clip = make_clip("source.mkv", count=90, size=(128, 96))
    whole = rewrite(clip, f"whole-{name}")
    result = write_to_full_disk(clip, tmp_path / name, int(part * whole.stat().st_size), "keep")
    assert result.returncode == 4, result.stderr
    whole_fragments = name in ("out.mp4", "out.mov")
    kept, complete = frames_of(tmp_path / name, tolerant=not whole_fragments), frames_of(whole)
    assert len(kept) >= 90 * part - 30
    assert [frame.time for frame in kept] == [frame.time for frame in complete[: len(kept)]]
    assert all(np.array_equal(a.planes[0], b.planes[0]) for a, b in zip(kept[:-5], complete, strict=False))


@needs_limits
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.ts", "frames/"])
def test_a_full_disk_is_an_error_and_leaves_nothing(make_clip, tmp_path, name):
    clip = make_clip("source.mkv", count=60, size=(128, 96))
    result = write_to_full_disk(clip, tmp_path / name, 900, "discard")
    assert result.returncode == 3, result.stderr
    assert "cannot be written" in result.stdout
    assert result.stdout.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["source.mkv"]


def test_an_output_that_took_no_frame_is_an_error_and_leaves_nothing(make_clip, tmp_path):
    """The only frame is said to last longer than MP4 can express."""
    clip = make_clip("source.mkv", count=1)
    before = sorted(tmp_path.iterdir())
    with VideoReader(str(clip)) as reader:
        target = choose_target(f"{tmp_path}/out.mp4", reader.info.shape.format, False, Encoding())
        durations = Durations()
        durations.end = 2 * 10**12
        endless = replace(Origin.of(reader), durations=durations)
        writer = open_writer(target, reader.info.shape, endless, [], False)
        for frame in reader:
            writer.write(frame)
        with pytest.raises(OutputError, match=r"out\.mp4: cannot be written \(video: a packet .* left out"):
            writer.finish()
        assert not writer.salvage()
    assert sorted(tmp_path.iterdir()) == before


def test_a_frame_without_a_pyav_frame_can_be_written(make_clip, tmp_path, frames_of):
    clip = make_clip("source.mkv", count=1)
    with VideoReader(str(clip)) as reader:
        target = choose_target(f"{tmp_path}/out.mkv", reader.info.shape.format, False, Encoding(codec="ffv1"))
        writer = open_writer(target, reader.info.shape, Origin.of(reader), [], False)
        planes = tuple(np.full(shape, 90, np.uint8) for shape in target.format.shapes(64, 48))
        writer.write(Frame(planes, target.format, 0, reader.info.time_base, Colour()))
        writer.finish()
    (frame,) = frames_of(tmp_path / "out.mkv")
    assert all(np.all(plane == 90) for plane in frame.planes)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.avi"])
def test_chapters_that_a_container_cannot_hold_are_named(make_clip, rewrite, name):
    """In MP4 they are also a track, which is no loss where there is another one."""
    clip = make_clip("source.mp4", count=30, prepare=describe)
    warnings: list[str] = []
    with av.open(str(rewrite(clip, name, warnings=warnings))) as container:
        kept = len(container.chapters())
    assert (kept, warnings) == ((0, ["3 chapter(s) left out: avi cannot hold them"]) if ".avi" in name else (3, []))


def test_the_other_videos_of_a_source_are_named(make_clip, rewrite):
    clip = make_clip("source.mp4", videos=3)
    warnings: list[str] = []
    with av.open(str(rewrite(clip, "out.mp4", stream=1, warnings=warnings))) as container:
        assert len(container.streams.video) == 1
    assert [each.partition(" left out")[0] for each in warnings] == ["video (h264, stream 0)", "video (h264, stream 2)"]
    assert all("--stream chooses which" in each for each in warnings)


@pytest.fixture
def dirty_memory():
    """New memory is never zero by chance."""
    perturb = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if perturb is None:
        pytest.skip("this C library cannot fill memory")
    perturb(-6, 0xFE)
    yield
    perturb(-6, 0)


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_frames_in_hevc(make_clip, rewrite, dirty_memory, count):
    """Its encoder takes their decoding times from memory that it has not initialised."""
    clip = make_clip("source.mkv", count=count)
    warnings: list[str] = []
    encoding = Encoding(codec="hevc", preset="ultrafast")
    with av.open(str(rewrite(clip, "out.mp4", encoding=encoding, warnings=warnings))) as container:
        times = [(packet.pts, packet.dts) for packet in container.demux(video=0) if packet.size]
    assert len(times) == count and all(pts == dts for pts, dts in times)
    assert not warnings
