"""Inputs whose time stamps are wrong: clocks that jump, repeat or start anywhere; all frames are shown, in order."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import pytest

from streamseg.frame import Frame
from streamseg.media.reading.reader import VideoReader
from streamseg.media.reading.timeline import Timeline

TICK = Fraction(1, 25)


def read(path, **options):
    """Times of frames and of audio packets in seconds, and the warnings."""
    with VideoReader(str(path), **options) as reader:
        reader.copied = list(reader.container.streams.audio)
        items = list(reader)
        frames = [item.pts * item.time_base for item in items if isinstance(item, Frame)]
        sound = [item.dts * item.time_base for item in items if not isinstance(item, Frame)]
        return frames, sound, reader.warnings


def moved(source, target, shift, container="mpegts"):
    """A copy of a file, with ``shift(index of the video packet, type)`` seconds added to each packet."""
    with av.open(str(source)) as before, av.open(str(target), "w", format=container) as after:
        streams = {each.index: after.add_stream_from_template(each, opaque=True) for each in before.streams}
        count = 0
        for packet in before.demux():
            if packet.dts is None:
                continue
            ticks = round(shift(count, packet.stream.type) / packet.time_base)
            count += packet.stream.type == "video"
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            packet.stream = streams[packet.stream.index]
            after.mux_one(packet)
    return target


def assert_continues(times, count, longest=Fraction(3, 20)):
    assert len(times) == count
    assert all(0 < after - before <= longest for before, after in pairwise(times))


def test_recordings_that_were_joined_byte_by_byte(make_clip, audio_track, tmp_path):
    data = make_clip("one.ts", count=25, audio=[audio_track()]).read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(data * 3)
    frames, sound, warnings = read(joined)
    assert_continues(frames, 75)
    assert_continues(sound, len(sound))
    assert abs((sound[-1] - sound[0]) - (frames[-1] - frames[0])) < Fraction(1, 5)
    assert len(warnings) == 2
    assert all("the clock goes back by" in warning and " s: bridged" in warning for warning in warnings)


def test_a_clock_that_jumps_an_hour(make_clip, audio_track, tmp_path):
    clip = make_clip("fine.ts", count=50, audio=[audio_track(seconds=2)])
    frames, sound, warnings = read(moved(clip, tmp_path / "jump.ts", lambda k, _: 3600 if k > 24 else 0))
    assert_continues(frames, 50)
    assert_continues(sound, len(sound))
    assert any("the clock jumps by" in warning for warning in warnings)


def test_a_gap_of_some_seconds_is_no_fault(make_clip, times_of, frames_of):
    clip = make_clip("gap.ts", pts=[0, 1, 2, 3, 128, 129, 130])
    frames, _, warnings = read(clip)
    assert frames[4] - frames[3] == 5
    assert not warnings


def test_a_clock_that_starts_at_some_hour_counts_from_the_first_packet(make_clip, audio_track, tmp_path):
    clip = make_clip("fine.ts", count=25, audio=[audio_track()])
    frames, sound, warnings = read(moved(clip, tmp_path / "late.ts", lambda *_: 40_000))
    assert frames[0] < 1 and sound[0] < 1
    assert_continues(frames, 25)
    assert not warnings


def test_frames_before_zero_are_shown(make_clip, audio_track, tmp_path):
    """As where the 33 bits of a transport stream's clock have just come round."""
    clip = make_clip("fine.ts", count=25, options={"bf": "2"}, audio=[audio_track()])
    wrap = Fraction(2**33, 90_000)
    late = moved(clip, tmp_path / "wrap.ts", lambda *_: wrap - 2)
    frames, sound, _ = read(late)
    assert frames[0] >= 0 and sound[0] >= 0
    assert_continues(frames, 25)


def test_frames_with_the_same_time_stamp_are_moved_by_the_smallest_step(make_clip, tmp_path):
    stamps = [0, 40, 80, 80, 120, 120, 120, 160]
    clip = make_clip("same.mkv", codec="ffv1", pts=range(8), time_base=TICK)
    times = iter(stamps)

    with av.open(str(clip)) as before, av.open(str(tmp_path / "out.mkv"), "w") as after:
        target = after.add_stream_from_template(before.streams.video[0], opaque=True)
        for packet in before.demux(video=0):
            if packet.dts is not None:
                packet.pts = packet.dts = next(times)
                packet.stream = target
                after.mux_one(packet)
    frames, _, warnings = read(tmp_path / "out.mkv")
    assert [round(1000 * time) for time in frames] == [0, 40, 80, 81, 120, 121, 122, 160]
    assert warnings == ["from 0.080 s on 3 frame(s) had no later time stamp than the one before: moved"]


@pytest.mark.parametrize("name", ["b.avi", "b.asf"])
def test_b_frames_in_containers_without_presentation_times(make_clip, name):
    """FFmpeg gives such packets rising pts, in the order of decoding."""
    options = {"bf": "2", "b-adapt": "0", "preset": "veryfast"}
    frames, _, warnings = read(make_clip(name, count=20, options=options))
    assert len(frames) == 20
    assert all(abs(after - before - TICK) <= Fraction(1, 1000) for before, after in pairwise(frames))
    assert not warnings


@pytest.mark.parametrize("start", [0, 0.4, 0.8])
def test_frames_before_zero_in_matroska(make_clip, audio_track, tmp_path, start):
    """FFmpeg does not tell the times of frames before zero, but those of the sound."""
    clip = make_clip("source.mp4", count=25, options={"bf": "2", "preset": "veryfast"}, audio=[audio_track()])
    negative = tmp_path / "negative.mkv"
    with (
        av.open(str(clip)) as before,
        av.open(str(negative), "w", options={"avoid_negative_ts": "disabled"}) as after,
    ):
        streams = [after.add_stream_from_template(each) for each in before.streams]
        for packet in before.demux():
            if packet.size:
                ticks = round(Fraction(3, 5) / packet.time_base)
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                packet.stream = streams[packet.stream.index]
                after.mux_one(packet)
    expected, expected_sound, _ = read(clip, start=start)
    frames, sound, warnings = read(negative, start=start)
    assert_continues(frames, len(expected))
    assert abs((frames[0] - sound[0]) - (expected[0] - expected_sound[0])) < Fraction(1, 40)
    assert not warnings


def test_an_empty_packet_shows_the_frame_before_once_more(make_clip, tmp_path):
    """As in Ogg Theora."""
    target = tmp_path / "repeated.nut"
    with av.open(str(make_clip("source.mkv", codec="ffv1", count=6))) as before, av.open(str(target), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        for index, packet in enumerate(packet for packet in before.demux() if packet.dts is not None):
            written = av.Packet(b"") if index == 3 else packet
            written.pts, written.dts, written.time_base = packet.pts, packet.dts, packet.time_base
            written.stream = stream
            after.mux_one(written)
    frames, _, warnings = read(target)
    assert [round(25 * (time - frames[0])) for time in frames] == [0, 1, 2, 4, 5]
    assert not warnings


@pytest.mark.parametrize("name", ["packed-b-frames.avi", "realvideo-rv20.mp4", "broken-sps.mp4", "sound-refused.mp4"])
def test_public_samples_with_odd_time_stamps(shared_data, name):
    with av.open(str(shared_data / "clips" / name)) as container:
        count = sum(1 for _ in container.decode(video=0))
    frames, _, _ = read(shared_data / "clips" / name)
    assert len(frames) == count
    assert all(before < after for before, after in pairwise(frames))


def test_the_rate_of_irregular_times_is_not_that_of_the_clock(make_clip):
    """As browsers record: milliseconds, no default duration."""
    stamps = [0, 33, 67, 100, 134, 166, 201, 233, 267]
    clip = make_clip("browser.webm", codec="libvpx", pts=stamps, time_base=Fraction(1, 1000), options={"cpu-used": "8"})
    with VideoReader(str(clip)) as reader:
        assert abs(reader.info.frame_rate - 30) < Fraction(1, 10)
        assert reader.info.frames <= 10
        assert [round(1000 * item.time) for item in reader] == stamps


@pytest.mark.parametrize("name", ["held.mkv", "held.mp4"])
def test_a_last_frame_that_is_held_is_no_damage(make_clip, rewrite, name):
    held = make_clip("source.mp4", count=5, prepare=None, extras=None)
    with av.open(str(held)) as before, av.open(str(held.with_name(name)), "w") as after:
        target = after.add_stream_from_template(before.streams.video[0], opaque=True)
        packets = [packet for packet in before.demux(video=0) if packet.dts is not None]
        packets[-1].duration = round(4 / packets[-1].time_base)
        for packet in packets:
            packet.stream = target
            after.mux_one(packet)
    frames, _, warnings = read(held.with_name(name))
    assert len(frames) == 5 and not warnings


@pytest.mark.parametrize("seconds", [-0.3, 5, 3600])
def test_a_single_wrong_time_stamp_is_replaced(make_clip, seconds):
    """In memory: muxers refuse to write such files."""
    clip = make_clip("fine.ts", count=30, options={"bf": "0"})
    with av.open(str(clip)) as container:
        timeline = Timeline(container)
        packets = [packet for packet in container.demux(video=0) if packet.dts is not None]
        right = [packet.dts for packet in packets]
        ticks = round(seconds * 90_000)
        packets[10].dts, packets[10].pts = packets[10].dts + ticks, packets[10].pts + ticks
        assert [packet.dts for packet in timeline.mended(packets)] == right
    assert len(timeline.warnings) == 1
    assert "a time stamp is off by" in timeline.warnings[0]
