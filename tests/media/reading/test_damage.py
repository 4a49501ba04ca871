"""Inputs that are damaged, truncated, or not videos."""

from __future__ import annotations

import gc
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.errors import DamagedInput, InputError
from streamseg.frame import Frame
from streamseg.media.reading.reader import VideoReader

FAST = {"preset": "ultrafast", "g": "10"}


def read_all(path, **options):
    """All items, the error that ended them, and the warnings."""
    frames = []
    with VideoReader(str(path), **options) as reader:
        try:
            for item in reader:
                frames.append(item)
        except DamagedInput as damage:
            return frames, damage, reader.warnings
        return frames, None, reader.warnings


def assert_describes_damage(damage):
    assert damage is not None
    assert "\n" not in str(damage)
    assert damage.time is not None
    assert f"{damage.time:.3f} s" in str(damage)
    assert "--tolerant" in str(damage)


def truncated(clip: Path, fraction: float) -> Path:
    data = clip.read_bytes()
    clip.write_bytes(data[: int(len(data) * fraction)])
    return clip


TRUNCATED = [
    ("cut.mp4", {"movflags": "faststart"}, 0.6),
    ("cut.mov", {"movflags": "faststart"}, 0.6),
    ("cut.mkv", {}, 0.5),
]


@pytest.mark.parametrize("name", ["short.mkv", "short.mp4", "short.avi"])
def test_a_short_truncated_file(make_clip, name):
    """Its time alone would not show that something is missing."""
    muxing = {"movflags": "frag_keyframe+empty_moov"} if name == "short.mp4" else {}
    clip = make_clip(name, count=20, muxing=muxing, options=FAST | {"g": "5"})
    frames, damage, _ = read_all(truncated(clip, 0.7))
    assert_describes_damage(damage)
    assert "truncated" in str(damage)
    assert 5 < len(frames) < 20


@pytest.mark.parametrize("name", ["index.mkv", "index.avi"])
def test_an_index_that_is_cut_off_is_no_damage(make_clip, name):
    clip = make_clip(name, count=20, options=FAST)
    clip.write_bytes(clip.read_bytes()[:-40])
    frames, damage, warnings = read_all(clip)
    assert len(frames) == 20
    assert damage is None
    assert not warnings


@pytest.mark.parametrize("name, muxing, fraction", TRUNCATED)
def test_a_truncated_file_gives_all_frames_before_the_error(make_clip, pyav_frames, name, muxing, fraction):
    clip = make_clip(name, count=125, muxing=muxing, options=FAST | {"bf": "2"})
    natives = pyav_frames(clip)
    frames, damage, _ = read_all(truncated(clip, fraction))
    assert_describes_damage(damage)
    assert 0.4 * 125 < len(frames) < 125
    lumas = {native.pts: native.to_ndarray()[:48] for native in natives}
    assert all(np.array_equal(frame.planes[0], lumas[frame.pts]) for frame in frames)
    assert [frame.pts for frame in frames[:60]] == [native.pts for native in natives[:60]]
    assert abs(damage.time - frames[-1].time) < 0.3


@pytest.mark.parametrize("name, muxing, fraction", TRUNCATED)
def test_tolerant_accepts_a_truncated_file_with_a_warning(make_clip, name, muxing, fraction):
    clip = truncated(make_clip(name, count=125, muxing=muxing, options=FAST | {"bf": "2"}), fraction)
    strict, _, _ = read_all(clip)
    frames, damage, warnings = read_all(clip, tolerant=True)
    assert damage is None
    assert len(frames) >= len(strict)
    assert len(warnings) == 1
    assert "\n" not in warnings[0]


def test_a_part_before_the_damage_is_read_without_an_error(make_clip):
    clip = truncated(make_clip("cut.mp4", count=125, muxing={"movflags": "faststart"}, options=FAST), 0.6)
    frames, damage, warnings = read_all(clip, duration=1.0)
    assert len(frames) == 25
    assert damage is None
    assert not warnings


@pytest.mark.parametrize("name", ["fine.mp4", "fine.mkv", "fine.webm", "fine.mov", "fine.ts", "fine.avi"])
def test_an_undamaged_file_gives_no_error(make_clip, audio_track, name):
    """Also if the audio is much longer than the video."""
    webm = name.endswith("webm")
    clip = make_clip(
        name,
        codec="libvpx-vp9" if webm else "mpeg4" if name.endswith("avi") else "libx264",
        options={"deadline": "realtime", "cpu-used": "8"} if webm else {},
        count=50,
        audio=[audio_track(codec="libopus" if webm else "libmp3lame" if name.endswith("avi") else "aac", seconds=6)],
    )
    frames, damage, warnings = read_all(clip)
    assert damage is None
    assert not warnings
    assert len(frames) == 50


@pytest.mark.parametrize(
    "name, codec",
    [
        ("bad.mp4", "libx264"),
        ("bad.mkv", "libx264"),
        ("bad.mp4", "libx265"),
        ("bad.mp4", "mpeg4"),
        ("bad.mov", "prores_ks"),
        ("bad.mkv", "ffv1"),
        ("bad.ts", "mpeg2video"),
    ],
)
def test_corrupted_bytes_are_detected(make_clip, pyav_frames, name, codec):
    """Good frames, then DamagedInput; no exception of another library."""
    formats = {"prores_ks": "yuv422p10le"}
    options = {
        "libx265": {"x265-params": "log-level=error:pools=1:keyint=10"},
    }
    clip = make_clip(
        name,
        codec=codec,
        options=options.get(codec, {"g": "10"}),
        pixel_format=formats.get(codec, "yuv420p"),
        size=(128, 96),
        count=40,
    )
    good = pyav_frames(clip)
    data = bytearray(clip.read_bytes())
    rng = np.random.default_rng(3)
    middle = len(data) // 2
    data[middle : middle + len(data) // 8] = rng.integers(0, 256, len(data) // 8, np.uint8).tobytes()
    clip.write_bytes(data)
    frames, damage, _ = read_all(clip)
    assert_describes_damage(damage)
    assert 1 <= len(frames) < 44
    assert frames[0].pts == good[0].pts
    assert np.array_equal(frames[0].planes[0], _luma(good[0], frames[0]))
    tolerant, damage, warnings = read_all(clip, tolerant=True)
    assert damage is None
    assert warnings
    assert len(tolerant) >= len(frames)


@pytest.mark.parametrize("group", [8, 14])
def test_a_gap_in_a_matroska_file_is_detected(make_clip, audio_track, group):
    """Also if all remaining frames decode without errors."""
    audio = [audio_track(seconds=1.6)]
    clip = make_clip("gap.mkv", options={"g": str(group)}, size=(128, 96), count=40, audio=audio)
    data = bytearray(clip.read_bytes())
    middle, length = len(data) // 2, len(data) // 8
    data[middle : middle + length] = bytes(length)
    clip.write_bytes(data)
    frames, damage, _ = read_all(clip)
    assert_describes_damage(damage)
    assert 10 <= len(frames) < 40
    assert abs(damage.time - 0.8) < 0.4
    tolerant, damage, warnings = read_all(clip, tolerant=True)
    assert damage is None
    assert len(warnings) == 1
    assert len(tolerant) == len(frames)


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx", "libsvtav1"])
def test_corrupted_packets_of_web_codecs(make_clip, codec):
    """The container is undamaged, a key frame in the middle is not."""
    options = {"libsvtav1": {"preset": "12", "g": "10", "svtav1-params": "pred-struct=1"}}
    fast = {"deadline": "realtime", "cpu-used": "8", "g": "10"}
    clip = make_clip("bad.mkv", codec=codec, options=options.get(codec, fast), size=(128, 96), count=40)
    data = clip.read_bytes()
    with av.open(str(clip)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    victim = packets[20]
    clip.write_bytes(data.replace(victim, b"\xff" * len(victim)))
    frames, damage, _ = read_all(clip)
    assert_describes_damage(damage)
    assert 10 <= len(frames) < 40
    tolerant, damage, warnings = read_all(clip, tolerant=True)
    assert damage is None
    assert warnings
    assert len(tolerant) > len(frames)


def _luma(native, frame):
    plane = native.planes[0]
    samples = np.frombuffer(memoryview(plane), frame.format.dtype)
    return samples.reshape(-1, plane.line_size // samples.itemsize)[: frame.height, : frame.width]


def test_broken_hevc(shared_data):
    frames, damage, _ = read_all(shared_data / "clips" / "broken-hevc-after-34-frames.mp4")
    assert len(frames) == 34
    assert_describes_damage(damage)
    assert damage.time == pytest.approx(2.266, abs=0.001)


def test_frames_repaired_by_the_decoder_are_reported_at_the_end(shared_data):
    clip = shared_data / "clips" / "empty-edit-5s.mp4"
    frames, damage, _ = read_all(clip)
    assert len(frames) == 100
    assert_describes_damage(damage)
    assert "29 of 100 frames" in str(damage)
    assert frames[0].time == 5
    tolerant, damage, warnings = read_all(clip, tolerant=True)
    assert len(tolerant) == 100
    assert damage is None
    assert len(warnings) == 1


def test_a_stream_that_starts_between_key_frames_is_not_damaged(shared_data, pyav_frames):
    clip = shared_data / "clips" / "no-initial-keyframe.ts"
    frames, damage, warnings = read_all(clip)
    assert damage is None
    assert not warnings
    with VideoReader(str(clip)) as reader:  # its clock starts at 114 s, which is no time in the video
        shift = round(reader.shift / reader.info.time_base)
    assert 0 <= frames[0].time < 3
    assert [frame.pts + shift for frame in frames] == [native.pts for native in pyav_frames(clip)]


@pytest.mark.parametrize("start", [2.0, 5.0])
def test_a_start_after_the_damage_gives_no_error(make_clip, start):
    clip = make_clip("bad.mp4", count=200, options=FAST)
    data = bytearray(clip.read_bytes())
    at = data.index(b"mdat") + 4 + (len(data) // 12)
    data[at : at + 400] = bytes(range(200)) * 2
    clip.write_bytes(data)
    _, damage, _ = read_all(clip)
    assert damage is not None
    assert damage.time < 1.5
    frames, damage, _ = read_all(clip, start=start)
    assert damage is None
    assert len(frames) == 200 - round(start * 25)


def assert_rejected(path, pattern):
    with pytest.raises(InputError, match=pattern) as caught:
        VideoReader(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert Path(path).name in message
    assert not isinstance(caught.value, DamagedInput)


def test_inputs_that_are_not_videos(tmp_path):
    text, empty, folder = tmp_path / "notes.txt", tmp_path / "empty.mp4", tmp_path / "folder"
    text.write_text("Dear diary,\n" * 100)
    empty.touch()
    folder.mkdir()
    assert_rejected(text, "cannot be opened as a video")
    assert_rejected(empty, "cannot be opened as a video")
    assert_rejected(folder, "is a folder")
    assert_rejected(tmp_path / "missing.mp4", "no such file")
    assert_rejected(tmp_path / ("x" * 300 + ".mp4"), "no such file|too long")


def test_a_recording_without_its_index_says_so(make_clip):
    assert_rejected(truncated(make_clip("cut.mp4"), 0.5), "moov atom not found")


def test_audio_alone_is_not_a_video(tmp_path):
    path = tmp_path / "song.wav"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
    assert_rejected(path, "has no video stream")


def test_a_format_that_no_decoder_knows(make_clip):
    clip = make_clip("new.mp4", count=3)
    data = clip.read_bytes()
    assert data.count(b"avc1") >= 1
    clip.write_bytes(data.replace(b"avc1", b"zzz1"))
    assert_rejected(clip, "no decoder knows")


def test_encrypted_video(shared_data):
    assert_rejected(shared_data / "clips" / "encrypted.mp4", "encrypted")


def test_a_header_without_frames(make_clip):
    clip = make_clip("cut.mp4", muxing={"movflags": "faststart"})
    data = clip.read_bytes()
    clip.write_bytes(data[: data.index(b"mdat") + 4])
    assert_rejected(clip, "no frame could be decoded|cannot be opened")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files by /proc")
def test_no_file_stays_open(make_clip, tmp_path):
    clip = make_clip("fine.mkv", count=5)
    text = tmp_path / "notes.txt"
    text.write_text("no video")
    gc.collect()
    before = open_files()
    with pytest.raises(InputError):
        VideoReader(str(text))
    with pytest.raises(InputError):
        VideoReader(str(clip), start=100)
    with VideoReader(str(clip)) as reader:
        assert isinstance(next(iter(reader)), Frame)
    reader.close()
    assert open_files() == before


def test_an_empty_program_names_the_option_that_chooses_the_other(shared_data):
    source = str(shared_data / "reports" / "two-programs.ts")
    with pytest.raises(InputError, match="of 2 video streams: choose another with --stream"):
        VideoReader(source)
    with VideoReader(source, stream=1) as reader:
        assert sum(isinstance(item, Frame) for item in reader) == 15


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", {"g": "10", "bf": "2", "preset": "veryfast"}),
        ("libx265", {"x265-params": "keyint=10:log-level=error"}),
        ("mpeg4", {"g": "10"}),
    ],
)
def test_a_single_frame_before_a_key_frame(make_clip, codec, options):
    """Nothing that follows depends on it, and the decoder says nothing."""
    clip = make_clip("in.mp4", codec=codec, count=40, size=(128, 96), options=options)
    with av.open(str(clip)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        key = [index for index, packet in enumerate(packets) if packet.is_keyframe][2]
        position, size, time = packets[key - 1].pos, packets[key - 1].size, float(packets[key - 1].pts / 12_800)
    data = bytearray(clip.read_bytes())
    data[position + 4 : position + size] = bytes(size - 4)
    clip.write_bytes(data)
    _, damage, _ = read_all(clip)
    assert_describes_damage(damage)
    assert damage.time == pytest.approx(time, abs=0.25)  # decoder threads are some packets ahead
    frames, damage, warnings = read_all(clip, tolerant=True)
    assert damage is None and len(warnings) == 1
    assert len(frames) in (39, 40)  # the decoder may have drawn something in its place
