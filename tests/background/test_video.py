"""A video as the background, by its own time stamps, looped."""

from __future__ import annotations

from fractions import Fraction

import pytest

from streamseg.background import VideoBackground, open_background
from streamseg.errors import InputError


def levels_at(background, shape, times, frame_at, empty_matte):
    """The index of the background frame that is shown at each time."""
    levels = []
    for time in times:
        luma = background.planes(frame_at(shape, time), empty_matte(shape))[0]
        assert int(luma.max()) - int(luma.min()) <= 1
        levels.append(round((float(luma.mean()) - 20) / 10))
    return levels


def expected(stamps, rate, length, times):
    """The newest frame that is due at each time of an endless loop of ``length`` seconds."""
    due = [Fraction(stamp - stamps[0], rate) for stamp in stamps]
    return [max(k for k, at in enumerate(due) if at <= (time - times[0]) % length) for time in times]


@pytest.mark.parametrize("name", ["behind.mp4", "behind.mkv"])
@pytest.mark.parametrize("first", [0, 37])
@pytest.mark.parametrize("rate", [Fraction(10), Fraction(25), Fraction(60), Fraction(30000, 1001), Fraction(3)])
def test_each_time_shows_the_frame_that_is_due(grey_video, shape_of, frame_at, empty_matte, name, first, rate):
    """Foregrounds with lower and higher frame rates than the background, over several loops."""
    stamps = [first + k for k in range(10)]
    shape = shape_of()
    background = VideoBackground(str(grey_video(name, stamps, 10)), shape)
    later = [k / rate + Fraction(1, 200) for k in range(round(rate * Fraction(37, 10)))]
    # Not near the boundaries between frames: Matroska rounds time stamps to milliseconds.
    unambiguous = [time for time in later if Fraction(1, 50) < time * 10 % 1 < Fraction(49, 50)]
    times = [Fraction(1, 3) + time for time in (0, *unambiguous)]
    got = levels_at(background, shape, times, frame_at, empty_matte)
    background.close()
    assert got == expected(stamps, 10, Fraction(1), times)
    assert len(set(got)) >= 3


def test_uneven_time_stamps(grey_video, shape_of, frame_at, empty_matte):
    stamps = [0, 1, 2, 9, 10, 20, 21]
    shape = shape_of()
    path = grey_video("uneven.mp4", stamps, 10)
    background = VideoBackground(str(path), shape)
    times = [Fraction(0), *(Fraction(k, 40) + Fraction(1, 400) for k in range(84))]
    assert levels_at(background, shape, times, frame_at, empty_matte) == expected(stamps, 10, Fraction(5), times)
    background.close()


def test_playback_starts_with_the_first_requested_frame(grey_video, shape_of, frame_at, empty_matte):
    shape = shape_of()
    background = open_background(str(grey_video("behind.mp4", list(range(10)), 10)), shape)
    times = [Fraction(1000) + Fraction(k, 20) + Fraction(1, 100) for k in range(12)]
    assert levels_at(background, shape, times, frame_at, empty_matte) == [k // 2 for k in range(12)]
    background.close()


def test_a_long_gap_in_the_foreground(grey_video, shape_of, frame_at, empty_matte):
    shape = shape_of()
    background = VideoBackground(str(grey_video("behind.mp4", list(range(10)), 10)), shape)
    times = [Fraction(0), Fraction(1, 4), Fraction(2005, 100), Fraction(2015, 100)]
    assert levels_at(background, shape, times, frame_at, empty_matte) == [0, 2, 0, 1]
    background.close()


def test_a_single_frame_is_shown_for_ever(grey_video, shape_of, frame_at, empty_matte):
    shape = shape_of()
    background = VideoBackground(str(grey_video("one.mp4", [0], 10)), shape)
    times = [Fraction(k, 5) for k in range(8)]
    assert levels_at(background, shape, times, frame_at, empty_matte) == [0] * 8
    background.close()


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p10le", "yuv422p", "yuva420p"])
def test_planes_match_the_foreground(grey_video, shape_of, frame_at, empty_matte, name):
    shape = shape_of(name, 51, 37)
    background = VideoBackground(str(grey_video("behind.mp4", [0, 1], 10, (80, 32))), shape)
    planes = background.planes(frame_at(shape), empty_matte(shape))
    assert [plane.shape for plane in planes] == list(shape.format.opaque().shapes(51, 37))
    assert {plane.dtype for plane in planes} == {shape.format.dtype}
    assert abs(float(planes[0].mean()) / (1 << (shape.format.depth - 8)) - 20) <= 1
    background.close()


def test_a_damaged_background_is_looped(grey_video, shape_of, frame_at, empty_matte):
    path = grey_video("cut.mkv", list(range(20)), 10)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.8)])
    shape = shape_of()
    background = VideoBackground(str(path), shape)
    times = [Fraction(k, 10) + Fraction(1, 50) for k in range(60)]
    got = levels_at(background, shape, times, frame_at, empty_matte)
    background.close()
    assert got[:8] == list(range(8))
    assert got.count(0) >= 3


def test_a_background_that_is_not_a_video(tmp_path, shape_of):
    path = tmp_path / "behind.mp4"
    path.write_text("no video")
    with pytest.raises(InputError, match=r"behind\.mp4: cannot be opened"):
        open_background(str(path), shape_of())
