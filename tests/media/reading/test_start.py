"""Reading from a start on: exactly the frames that reading everything gives from that time on."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from streamseg.frame import Frame
from streamseg.media.reading.reader import VideoReader


def read(path, **options):
    """Frames, times of audio packets in seconds, and warnings."""
    with VideoReader(str(path), **options) as reader:
        reader.copied = list(reader.container.streams.audio)
        items = list(reader)
        frames = [item for item in items if isinstance(item, Frame)]
        return frames, [item.dts * item.time_base for item in items if not isinstance(item, Frame)], reader.warnings


def assert_same_from(path, start):
    """That reading from ``start`` on, from the first time stamp, gives the frames and the audio of the whole."""
    with av.open(str(path)) as container:
        origin = (container.start_time or 0) / 1_000_000
    every, all_sound, _ = read(path)
    frames, sound, warnings = read(path, start=start)
    expected = [frame for frame in every if frame.time >= origin + start - 1e-6]
    assert 0 < len(expected) < len(every)
    assert [frame.time + start for frame in frames] == pytest.approx([frame.time for frame in expected], abs=1e-4)
    assert all(np.array_equal(a.planes[0], b.planes[0]) for a, b in zip(frames, expected, strict=True))
    heard = [time for time in all_sound if time >= origin + start]
    assert [float(time) + start for time in sound] == pytest.approx([float(time) for time in heard], abs=1e-4)
    return warnings


@pytest.mark.parametrize("start", [0.3, 2.02, 3.5])
@pytest.mark.parametrize(("name", "codec"), [("in.vob", "mpeg2video"), ("in.ts", "libx264")])
def test_program_and_transport_streams(make_clip, audio_track, name, codec, start):
    options = {"g": "12", "bf": "2"} | ({"preset": "veryfast"} if codec == "libx264" else {})
    sound = [audio_track("mp2", seconds=4)]
    clip = make_clip(name, codec=codec, count=100, options=options, audio=sound)
    assert assert_same_from(clip, start) == []


@pytest.mark.parametrize("start", [0.5, 1.3, 2.4])
def test_a_clock_that_goes_back_before_the_start(make_clip, audio_track, tmp_path, start):
    """A start counts in the bridged clock, in which every time is there once."""
    data = make_clip("one.ts", count=25, options={"g": "10", "bf": "2"}, audio=[audio_track()]).read_bytes()
    (tmp_path / "joined.ts").write_bytes(data * 3)
    warnings = assert_same_from(tmp_path / "joined.ts", start)
    assert all("the clock goes back by" in warning for warning in warnings)


def test_a_start_after_the_end_is_said(make_clip):
    clip = make_clip("in.ts", count=10)
    with pytest.raises(ValueError, match=r"no frame could be decoded after 9 s"):
        VideoReader(str(clip), start=9)


def test_few_key_frames(make_clip):
    """The first of 40 frames is the only key frame."""
    clip = make_clip("in.ts", count=40, options={"g": "250", "bf": "0", "preset": "ultrafast"})
    whole, _, _ = read(clip)
    frames, _, _ = read(clip, start=1)
    assert len(frames) == len([frame for frame in whole if frame.time >= Fraction(1)])
    assert np.array_equal(frames[-1].planes[0], whole[-1].planes[0])
