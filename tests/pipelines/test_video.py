"""A file through the whole pipeline, in this process."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from streamseg.pipelines import VideoJob, process_video, video
from streamseg.pipelines.stages import matting, motion, smoothing, tracking

from streamseg.device.cpu import device
from streamseg.device.cpu.compiled import NOT_COMPILED
from streamseg.device.cpu.integer import network as integer_network
from streamseg.errors import DamagedInput, InputError, OptionError, OutputError
from streamseg.frame import Frame, PixelFormat
from streamseg.matting.backend import NumPyBackend
from streamseg.media.pixels.native import plane_views
from streamseg.media.reading.reader import VideoReader
from streamseg.media.writing.target import Encoding

LOSSLESS = Encoding(codec="ffv1")


def planes_of(path):
    with VideoReader(str(path)) as reader:
        return [frame.planes for frame in reader if isinstance(frame, Frame)]


def test_all_time_stamps_and_bytes_of_audio_are_kept(tmp_path, sample_clip, beach, times_of, packets_of):
    out = tmp_path / "out.mp4"
    summary = process_video(sample_clip, out, str(beach), duration=0.5)
    expected = [time for time in times_of(sample_clip) if time < Fraction(1, 2)]
    assert times_of(out) == expected
    assert summary.frames == len(expected)
    audio = [packet for packet in packets_of(sample_clip, "audio") if packet[0] < Fraction(1, 2)]
    assert packets_of(out, "audio") == audio


def test_without_the_kernels_it_works_and_warns(tmp_path, few_frames, beach, monkeypatch, frames_of):
    both, source = {}, few_frames(count=5)
    for name in ("compiled.mp4", "plain.mp4"):
        summary = process_video(source, tmp_path / name, str(beach), encoding=Encoding(crf=5))
        both[name] = [frame.to_ndarray(format="rgb24").astype(int) for frame in frames_of(tmp_path / name)]
        for module in (video, motion, tracking, smoothing, matting, device):
            monkeypatch.setattr(module, "best_backend", NumPyBackend)
        monkeypatch.setattr(integer_network, "supported_instructions", lambda: ())
    assert summary.warnings[-1] == NOT_COMPILED
    for compiled, plain in zip(*both.values(), strict=True):
        assert np.abs(compiled - plain).mean() < 1


def test_the_subject_is_composited_over_the_image(tmp_path, sample_clip, beach, frames_of):
    out = tmp_path / "out.mp4"
    process_video(sample_clip, out, str(beach), duration=0.1, encoding=Encoding(crf=5))
    before, after = (frames_of(path)[0].to_ndarray(format="rgb24").astype(int) for path in (sample_clip, out))
    height, width, _ = before.shape
    chest = np.s_[height - 80 : height - 40, width // 2 - 20 : width // 2 + 20]
    assert np.abs(after[chest] - before[chest]).mean() < 3
    # The beach's sky is blue in both upper corners.
    corner = after[:60, :60].reshape(-1, 3).mean(axis=0)
    assert corner[2] > corner[0]
    assert np.abs(after[:60, :60] - before[:60, :60]).mean() > 20


@pytest.mark.parametrize(
    ("pixel_format", "full_range"), [("yuv420p", False), ("yuv444p", True), ("yuv422p10le", False)]
)
def test_planes_are_the_source_bit_for_bit_where_the_matte_is_one(tmp_path, few_frames, pixel_format, full_range):
    source = few_frames(pixel_format, full_range)
    process_video(source, tmp_path / "out.mkv", "#00ff00", encoding=LOSSLESS)
    process_video(source, tmp_path / "matte.mkv", "matte", encoding=LOSSLESS)
    shape = PixelFormat.parse(pixel_format)
    white = shape.maximum if full_range else 235 << (shape.depth - 8)
    for before, after, matte in zip(
        *(planes_of(p) for p in (source, tmp_path / "out.mkv", tmp_path / "matte.mkv")), strict=True
    ):
        inside = matte[0] == white
        assert inside.mean() > 0.1
        assert np.array_equal(after[0][inside], before[0][inside])
        chroma_inside = inside[:: 1 << shape.shift_y, :: 1 << shape.shift_x]
        for across in range(1 << shape.shift_x):
            for down in range(1 << shape.shift_y):
                chroma_inside = chroma_inside & inside[down :: 1 << shape.shift_y, across :: 1 << shape.shift_x]
        for plane in (1, 2):
            assert np.array_equal(after[plane][chroma_inside], before[plane][chroma_inside])


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le"])
def test_where_the_matte_is_zero_only_the_background_is_seen(tmp_path, few_frames, pixel_format):
    source = few_frames(pixel_format)
    process_video(source, tmp_path / "out.mkv", "black", encoding=LOSSLESS)
    process_video(source, tmp_path / "matte.mkv", "matte", encoding=LOSSLESS)
    black = 16 << (PixelFormat.parse(pixel_format).depth - 8)
    for after, matte in zip(planes_of(tmp_path / "out.mkv"), planes_of(tmp_path / "matte.mkv"), strict=True):
        outside = matte[0] == black
        assert outside.mean() > 0.1
        assert (after[0][outside] == black).all()


@pytest.mark.parametrize("output", ["out.mov", "out.webm"])
def test_a_name_that_asks_for_alpha_gets_straight_alpha(tmp_path, sample_clip, output):
    process_video(sample_clip, tmp_path / output, duration=0.1)
    process_video(sample_clip, tmp_path / "matte.mkv", "matte", duration=0.1, encoding=LOSSLESS)
    with VideoReader(str(tmp_path / output)) as reader:
        frames = [frame for frame in reader if isinstance(frame, Frame)]
    source = planes_of(sample_clip)
    for frame, matte, before in zip(frames, planes_of(tmp_path / "matte.mkv"), source, strict=False):
        assert frame.format.alpha
        alpha = frame.planes[3] / frame.format.maximum
        assert np.abs(alpha - (matte[0].astype(float) - 16) / 219).mean() < 0.01
        # Straight: the colours under the transparent part are the source's own.
        luma = frame.planes[0] / (1 << (frame.format.depth - 8))
        assert np.abs(luma - before[0]).mean() < 3


def test_a_folder_gets_numbered_rgba_images(tmp_path, sample_clip, frames_of):
    process_video(sample_clip, tmp_path / "images", duration=0.1)
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert names == ["000001.png", "000002.png", "000003.png", "timestamps.txt"]
    image = frames_of(tmp_path / "images" / "000001.png")[0]
    assert image.format.name == "rgba"
    alpha = image.to_ndarray()[..., 3]
    assert alpha.min() == 0 and alpha.max() == 255
    assert (tmp_path / "images" / "timestamps.txt").read_text(encoding="utf-8").splitlines()[1:] == [
        "0.000",
        "41.667",
        "83.333",
    ]


def test_an_odd_size_is_extended_where_the_codec_needs_it(tmp_path, few_frames, frames_of):
    source = few_frames("yuv444p", suffix=".nut")
    odd = tmp_path / "odd.mkv"
    with av.open(str(odd), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 161, 121, "yuv420p"
        for frame in frames_of(source):
            container.mux(stream.encode(frame.reformat(161, 121, "yuv420p")))
        container.mux(stream.encode(None))
    process_video(odd, tmp_path / "out.mp4", "blur")
    assert {(frame.width, frame.height) for frame in frames_of(tmp_path / "out.mp4")} == {(162, 122)}
    process_video(odd, tmp_path / "out.webm")
    assert {(frame.width, frame.height) for frame in frames_of(tmp_path / "out.webm")} == {(161, 121)}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory, sample_clip):
    """Twelve frames with the index at the front, the file cut off in the middle of the frames."""
    folder = tmp_path_factory.mktemp("damaged")
    whole, cut = folder / "whole.mp4", folder / "cut.mp4"
    with av.open(str(sample_clip)) as source, av.open(str(whole), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream("libx264", rate=24, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for number, frame in zip(range(12), source.decode(video=0), strict=False):
            frame.pts, frame.time_base = number, Fraction(1, 24)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return cut


def test_frames_before_damage_are_written(tmp_path, damaged, times_of):
    job = VideoJob(damaged, tmp_path / "out.mp4", "black")
    with pytest.raises(DamagedInput, match=r"damaged at 0\.\d+ s.*frames in"):
        job.run()
    assert job.summary is not None and 0 < job.summary.frames < 12
    times = times_of(tmp_path / "out.mp4")
    assert len(times) == job.summary.frames
    assert times == [Fraction(k, 24) for k in range(len(times))]


def test_tolerant_skips_damage_and_warns(tmp_path, damaged):
    summary = process_video(damaged, tmp_path / "out.mp4", "black", tolerant=True)
    assert summary.frames > 0
    assert any("damaged at" in warning for warning in summary.warnings)


def test_stopping_leaves_a_playable_file(tmp_path, sample_clip, times_of):
    job = VideoJob(sample_clip, tmp_path / "out.mp4", "black")
    summary = job.run(lambda statistics: job.stop() if statistics.items >= 2 else None)
    assert summary.stopped
    assert 2 <= summary.frames < 96
    assert len(times_of(tmp_path / "out.mp4")) == summary.frames


def test_stopping_before_the_first_frame_writes_nothing(tmp_path, sample_clip):
    job = VideoJob(sample_clip, tmp_path / "out.mp4", "black")
    job.stop()
    assert job.run().frames == 0
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_only_replaced_on_request(tmp_path, sample_clip):
    out = tmp_path / "out.mp4"
    out.write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        process_video(sample_clip, out, "black", duration=0.1)
    assert out.read_text(encoding="utf-8") == "precious"
    process_video(sample_clip, out, "black", duration=0.1, overwrite=True)
    assert out.stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize(
    ("output", "background", "error"),
    [
        ("out.mp4", "transparent", OptionError),
        ("out.mp4", "blur:2", OptionError),
        ("out.mp4", "no-such-thing", InputError),
        ("out.xyz", "blur", OptionError),
    ],
)
def test_a_wrong_request_leaves_nothing_behind(tmp_path, sample_clip, output, background, error):
    with pytest.raises(error):
        process_video(sample_clip, tmp_path / output, background)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_before_the_first_frame_leaves_no_hidden_file(tmp_path, sample_clip, monkeypatch):
    def fail(*_):
        raise RuntimeError("no stages")

    monkeypatch.setattr(video, "pipeline_stages", fail)
    with pytest.raises(RuntimeError, match="no stages"):
        process_video(sample_clip, tmp_path / "out.mp4", "green")
    assert not list(tmp_path.iterdir())


def test_settings_that_the_encoder_refuses_are_named(tmp_path, sample_clip):
    with pytest.raises(OptionError, match=r"libx264 refuses its settings: .*preset=nosuch"):
        process_video(sample_clip, tmp_path / "out.mp4", "black", encoding=Encoding(preset="nosuch"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("start", "duration"), [(-1, None), (0, 0), (0, -2)])
def test_an_empty_part_is_refused(tmp_path, sample_clip, start, duration):
    with pytest.raises(OptionError, match="expected 0 or more, and above 0"):
        process_video(sample_clip, tmp_path / "out.mp4", "black", start=start, duration=duration)


def test_rotated_video_becomes_upright(tmp_path, shared_data, frames_of):
    process_video(shared_data / "clips" / "rotated-90-bunny.mp4", tmp_path / "out.mkv", "matte", duration=0.15)
    frame = frames_of(tmp_path / "out.mkv")[0]
    assert (frame.width, frame.height, frame.rotation) == (1080, 1920, 0)


def test_the_colour_description_is_kept(tmp_path, shared_data, frames_of):
    source = shared_data / "clips" / "hdr10-av1.mp4"
    process_video(source, tmp_path / "out.mp4", "blue", duration=0.1)
    before, after = (frames_of(path)[0] for path in (source, tmp_path / "out.mp4"))
    names = ("colorspace", "color_range", "color_trc", "color_primaries")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names] == [9, 1, 16, 9]
    assert after.format.name == "yuv420p10le"
    # A blue of sRGB in PQ is far from the top of the range.
    luma = plane_views(after, PixelFormat.parse("yuv420p10le"))[0]
    assert np.median(luma[:50]) < 400


def test_source_alpha_limits_the_matte(tmp_path, shared_data):
    source = shared_data / "clips" / "prores4444-alpha.mov"
    process_video(source, tmp_path / "out.mov", "transparent")
    (before,), (after,) = planes_of(source), planes_of(tmp_path / "out.mov")
    assert before[3].min() == 0
    assert after[3][before[3] == 0].max() < 0.02 * 4095


def test_what_was_written_before_the_disk_was_full_is_kept(tmp_path, streamseg_process, sample_clip, frames_of):
    resource = pytest.importorskip("resource")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    out = tmp_path / "out.mkv"
    options = ("--bg", "red", "--speed", "fast", "--crf", "2", "--duration", "1.2")
    done = streamseg_process("video", sample_clip, out, *options, preexec_fn=limit)
    assert done.returncode == 1
    assert "cannot be written (File too large); what was written before is kept there" in done.stderr
    assert len(frames_of(out)) >= 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "1"}, "start is '1': expected a number of seconds"),
        ({"duration": "0:01"}, "duration is '0:01': expected a number of seconds"),
        ({"background": np.zeros((4, 4, 3), np.uint8)}, "background is ndarray: expected a name or path"),
    ],
)
def test_an_option_of_another_type_is_an_option_error(options, message):
    with pytest.raises(OptionError, match=message):
        VideoJob("in.mp4", "out.mp4", **options)


def test_numbers_of_numpy_and_paths_are_taken(tmp_path, sample_clip, beach, times_of):
    output = tmp_path / "a.mp4"
    part = {"start": np.float32(0.5), "duration": np.float64(0.2), "audio": False}
    process_video(sample_clip, output, Path(beach), **part)
    assert len(times_of(output)) == 5  # 24 frames a second
