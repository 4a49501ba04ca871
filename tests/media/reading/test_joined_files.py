"""Files that were joined byte by byte, and what is stored behind damage."""

from __future__ import annotations

from fractions import Fraction

import pytest
from av.packet import Packet

from streamseg.errors import DamagedInput
from streamseg.frame import Frame
from streamseg.media.reading.reader import VideoReader


def read(path, **options):
    """Frames, copied packets, and the warnings; damage only ends it."""
    items = []
    with VideoReader(str(path), **options) as reader:
        reader.copied = list(reader.container.streams.audio)
        try:
            items += iter(reader)
        except DamagedInput as damage:
            items.append(damage)
        return items, reader.warnings


@pytest.mark.parametrize(
    ("name", "codec", "muxing"),
    [
        ("a.mp4", "libx264", {}),
        ("a.mov", "libx264", {"movflags": "faststart"}),
        ("a.flv", "flv", {}),
        ("a.wmv", "wmv2", {}),
    ],
)
def test_a_second_recording_that_is_not_read_is_named(make_clip, audio_track, name, codec, muxing):
    clip = make_clip(name, codec=codec, count=12, muxing=muxing, audio=[audio_track(seconds=0.5)])
    data = clip.read_bytes()
    assert read(clip)[1] == []
    clip.write_bytes(data * 2)
    items, warnings = read(clip)
    assert sum(isinstance(item, Frame) for item in items) == 12
    assert warnings == [f"a second recording begins at byte {len(data)} of the file: it is left out; separate them"]
    assert not any("second recording" in each for each in read(clip, duration=0.2)[1])


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4")])
def test_a_second_recording_is_read_where_ffmpeg_can(make_clip, name, codec):
    clip = make_clip(name, codec=codec, count=12)
    clip.write_bytes(clip.read_bytes() * 2)
    items, warnings = read(clip)
    assert sum(isinstance(item, Frame) for item in items) == 24
    assert not any("second recording" in each for each in warnings)


def test_sound_that_is_stored_behind_damaged_frames_is_kept(make_clip, audio_track):
    """Writers put a second or more of one stream after the other."""
    options = {"preset": "ultrafast", "g": "10"}
    clip = make_clip("a.mp4", count=50, options=options, size=(128, 96), audio=[audio_track(seconds=2)], chunk=10)
    data = bytearray(clip.read_bytes())
    with VideoReader(str(clip)) as reader:
        key = [packet.pos for packet in reader.container.demux(video=0) if packet.is_keyframe][3]
    data[key : key + 4] = b"\xff\xff\xff\xff"  # the length of a slice
    clip.write_bytes(data)
    items, _ = read(clip)
    assert isinstance(items[-1], DamagedInput) and 1 <= items[-1].time < 1.8
    sound = [item.pts * Fraction(item.time_base) for item in items if isinstance(item, Packet)]
    assert items[-1].time - 0.05 < sound[-1] < items[-1].time
