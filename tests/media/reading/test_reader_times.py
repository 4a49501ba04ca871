"""Times of VideoReader: time stamps, start and duration, and the packets of other streams."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Disposition

from streamseg.errors import InputError, OptionError
from streamseg.frame import Frame
from streamseg.media.reading.reader import VideoReader

UNEVEN = [0, 1, 2, 5, 6, 10, 20, 21, 22, 40, 41, 43]
GOP = {"g": "8", "bf": "3", "preset": "ultrafast"}
X265 = "keyint=8:log-level=error:pools=1:open-gop=1"
SEEKABLE = {
    "closed.mp4": ("libx264", GOP),
    "closed.mkv": ("libx264", GOP),
    "closed.ts": ("libx264", GOP),
    "open.mp4": ("libx264", GOP | {"x264-params": "open-gop=1"}),
    "open.ts": ("libx264", GOP | {"x264-params": "open-gop=1"}),
    "open-hevc.mp4": ("libx265", {"x265-params": X265, "preset": "ultrafast"}),
    "vp9.webm": ("libvpx-vp9", {"g": "8", "cpu-used": "8", "deadline": "realtime"}),
    "mpeg4.avi": ("mpeg4", {"g": "8", "bf": "2"}),
    "mpeg2.ts": ("mpeg2video", {"g": "8", "bf": "2"}),
}


@pytest.mark.parametrize("name", ["uneven.mp4", "uneven.mkv", "uneven.mov", "uneven.ts"])
@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_uneven_time_stamps_are_exact(make_clip, frames_of, pyav_frames, times_of, name, b_frames):
    clip = make_clip(name, pts=UNEVEN, time_base=Fraction(1, 30), options={"bf": b_frames})
    frames = frames_of(clip)
    assert times_of(frames) == times_of(pyav_frames(clip))
    if not name.endswith((".ts", ".mkv")):
        assert times_of(frames) == [Fraction(stamp, 30) for stamp in UNEVEN]


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.ts", "late.mov"])
def test_a_start_after_zero_is_kept(make_clip, frames_of, pyav_frames, times_of, name):
    clip = make_clip(name, pts=[50 + k for k in range(10)])
    times = times_of(frames_of(clip))
    assert times == times_of(pyav_frames(clip))
    assert times[0] >= 2


def test_frames_equal_those_of_the_decoder(make_clip, frames_of, pyav_frames):
    clip = make_clip("clip.mkv", options={"bf": "3"}, count=20)
    for frame, native in zip(frames_of(clip), pyav_frames(clip), strict=True):
        expected = native.to_ndarray().reshape(-1)
        assert np.array_equal(np.concatenate([plane.ravel() for plane in frame.planes]), expected)


def test_an_edit_list_that_hides_the_first_frames(make_clip, frames_of, pyav_frames, times_of):
    clip = make_clip("edited.mp4", options={"bf": "0", "g": "100"}, count=20)
    data = bytearray(clip.read_bytes())
    assert b"elst" not in data or data.count(b"elst") == 1
    at = data.index(b"elst") + 12
    media_time = int.from_bytes(data[at + 4 : at + 8], "big")
    tick = 12800 // 25
    data[at + 4 : at + 8] = (media_time + 5 * tick).to_bytes(4, "big")
    clip.write_bytes(data)
    frames = frames_of(clip)
    assert times_of(frames) == times_of(pyav_frames(clip))
    assert len(frames) == 15
    assert frames[0].time == 0


def test_missing_time_stamps_are_filled_at_the_frame_rate(make_clip, frames_of, times_of):
    clip = make_clip("bare.h264", count=6, options={"bf": "0"}, container="h264")
    times = times_of(frames_of(clip))
    steps = {after - before for before, after in pairwise(times)}
    assert steps == {Fraction(1, 25)}


def test_dropped_frames_in_an_avi_do_not_end_the_video(make_clip, frames_of, pyav_frames, times_of):
    """The AVI muxer writes empty packets for gaps between time stamps."""
    clip = make_clip("gaps.avi", codec="mpeg4", options={}, pts=UNEVEN)
    times = times_of(frames_of(clip))
    assert len(times) == len(UNEVEN)
    assert times == sorted(set(times))
    assert [time - times[0] for time in times] == [Fraction(stamp, 25) for stamp in UNEVEN]


@pytest.mark.parametrize("name", SEEKABLE)
def test_no_frame_after_any_start_is_lost(make_clip, frames_of, times_of, name):
    codec, options = SEEKABLE[name]
    clip = make_clip(name, codec=codec, options=options, count=30)
    everything = frames_of(clip)
    with VideoReader(str(clip)) as reader:
        origin = Fraction(reader.container.start_time, 1_000_000)
    for ticks in (1, 6, 7, 8, 9, 13, 15, 16, 23, 28):
        start = ticks / 25
        wanted = [frame for frame in everything if frame.time >= float(origin) + start - 1e-6]
        got = frames_of(clip, start=start)
        shift = round(start / wanted[0].time_base)
        assert [frame.pts for frame in got] == [frame.pts - shift for frame in wanted], ticks
        assert all(np.array_equal(a.planes[0], b.planes[0]) for a, b in zip(got, wanted, strict=True)), ticks


@pytest.mark.parametrize("start, duration, count", [(0.0, 0.4, 10), (0.2, 0.4, 10), (0.6, 5.0, 15), (0.0, 0.0399, 1)])
def test_start_and_duration_select_frames(make_clip, frames_of, times_of, start, duration, count):
    clip = make_clip("part.mp4", count=30, options=GOP)
    times = times_of(frames_of(clip, start=start, duration=duration))
    assert times == [Fraction(k, 25) for k in range(count)]


def test_a_start_after_the_end_is_an_error(make_clip):
    clip = make_clip("short.mp4")
    with pytest.raises(InputError, match=r"no frame could be decoded after 7 s"):
        VideoReader(str(clip), start=7)


def test_the_expected_number_of_frames(make_clip):
    clip = make_clip("counted.mp4", count=30)
    with VideoReader(str(clip)) as full, VideoReader(str(clip), start=0.4, duration=0.4) as part:
        assert full.info.frames == 30
        assert part.info.frames == 10
        assert full.info.frame_rate == 25


def test_one_of_several_video_streams(make_clip, frames_of, pyav_frames, times_of):
    clip = make_clip("two.mkv", videos=2)
    for stream in (0, 1):
        frames, natives = frames_of(clip, stream=stream), pyav_frames(clip, stream)
        assert times_of(frames) == times_of(natives)
        for frame, native in zip(frames, natives, strict=True):
            assert np.array_equal(frame.planes[0], native.to_ndarray()[:48])
    assert not np.array_equal(frames_of(clip, stream=0)[0].planes[0], frames_of(clip, stream=1)[0].planes[0])


def test_the_second_video_stream_from_a_start(make_clip, frames_of):
    clip = make_clip("two.mkv", videos=2, count=30, options=GOP)
    wanted = frames_of(clip, stream=1)[13:]
    got = frames_of(clip, stream=1, start=13 / 25)
    assert len(got) == len(wanted)
    assert all(np.array_equal(a.planes[0], b.planes[0]) for a, b in zip(got, wanted, strict=True))


@pytest.mark.parametrize("stream", [2, -1])
def test_a_missing_video_stream_is_an_error(make_clip, stream):
    clip = make_clip("two.mkv", videos=2)
    with pytest.raises(OptionError, match=r"has 2 video stream\(s\)"):
        VideoReader(str(clip), stream=stream)


def copied_packets(clip, **options):
    with VideoReader(str(clip), **options) as reader:
        reader.copied = list(reader.container.streams.audio)
        items = [item for item in reader if isinstance(item, Packet)]
        return [(item.stream.index, item.pts * item.time_base, bytes(item)) for item in items]


@pytest.mark.parametrize("name", ["audio.mp4", "audio.mkv", "audio.ts"])
def test_copied_packets_are_unchanged_and_in_order(make_clip, packets_of, audio_track, name):
    clip = make_clip(name, count=30, audio=[audio_track(seconds=1.2), audio_track(seconds=1.2, hertz=500)])
    copied = copied_packets(clip)
    for index in (1, 2):
        assert [(time, data) for stream, time, data in copied if stream == index] == packets_of(clip, index)


@pytest.mark.parametrize("chunk", [0.001, 0.9])
@pytest.mark.parametrize("name", ["part.mkv", "part.ts", "part.mp4", "part.mov"])
def test_copied_packets_are_shifted_and_trimmed_like_the_frames(make_clip, packets_of, audio_track, name, chunk):
    """Also if a second of video is stored before the corresponding second of audio."""
    clip = make_clip(name, count=100, audio=[audio_track(seconds=4)], options=GOP, chunk=chunk)
    start, duration = 1.0, 1.4
    with VideoReader(str(clip)) as reader:
        origin = Fraction(reader.container.start_time, 1_000_000)
    begin, end = origin + 1, origin + Fraction("2.4")
    wanted = [(time - 1, data) for time, data in packets_of(clip, 1) if begin <= time < end]
    assert len(wanted) > 60
    copied = [(time, data) for _, time, data in copied_packets(clip, start=start, duration=duration)]
    assert [data for _, data in copied] == [data for _, data in wanted]
    assert all(abs(got - want) < Fraction(1, 10_000) for (got, _), (want, _) in zip(copied, wanted, strict=True))


def test_packets_of_other_streams_are_not_yielded(make_clip, audio_track):
    clip = make_clip("audio.mp4", audio=[audio_track()])
    with VideoReader(str(clip)) as reader:
        assert all(isinstance(item, Frame) for item in reader)


def test_a_cover_image_is_not_the_video(make_clip, frames_of):
    def attach(output, _stream):
        png = av.CodecContext.create("png", "w")
        png.width, png.height, png.pix_fmt, png.time_base = 20, 20, "rgb24", Fraction(1)
        image = av.VideoFrame.from_ndarray(np.full((20, 20, 3), 200, np.uint8))
        data = b"".join(bytes(packet) for packet in [*png.encode(image), *png.encode(None)])
        output.add_attachment("cover.png", "image/png", data)

    clip = make_clip("cover.mkv", prepare=attach)
    frames = frames_of(clip)
    assert len(frames) == 12
    assert {(frame.width, frame.height) for frame in frames} == {(64, 48)}


def test_a_file_with_only_a_cover_image(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as output:
        cover = output.add_stream("mjpeg", rate=1, options={"strict": "-1"})
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        audio = output.add_stream("aac", rate=48_000, layout="mono")
        output.start_encoding()
        output.mux(cover.encode(av.VideoFrame(32, 32, "yuvj420p")))
        output.mux(cover.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 48_000
        output.mux(audio.encode(silence))
        output.mux(audio.encode(None))
    with pytest.raises(InputError, match="has no video stream"):
        VideoReader(str(path))


PIPE = """
import sys
from streamseg.media.reading.reader import VideoReader
with VideoReader("-", start=float(sys.argv[1])) as reader:
    print(*[frame.pts * frame.time_base for frame in reader])
"""


@pytest.mark.parametrize("name", ["pipe.mkv", "pipe.ts", "pipe.mp4"])
@pytest.mark.parametrize("start", [0.0, 0.4])
def test_standard_input(make_clip, frames_of, times_of, name, start):
    clip = make_clip(name, count=20, options=GOP, muxing={"movflags": "faststart"} if name.endswith("mp4") else None)
    command = [sys.executable, "-W", "error", "-c", PIPE, str(start)]
    result = subprocess.run(command, input=clip.read_bytes(), capture_output=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    assert [Fraction(word.decode()) for word in result.stdout.split()] == times_of(frames_of(clip, start=start))
