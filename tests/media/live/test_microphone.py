"""Microphone: files in real time, and devices that cannot be opened."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import islice, pairwise

import av
import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.media.live import microphone as module
from streamseg.media.live.clock import LiveClock
from streamseg.media.live.microphone import Microphone, _SteadyTimes


@pytest.fixture
def ramp(tmp_path):
    """A fifth of a second of a rising signal, mono at 8 kHz."""
    path = tmp_path / "ramp.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.arange(1600, dtype=np.int16)[None], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
        container.mux(stream.encode(frame))
    return path


def test_a_file_is_looped_in_real_time(ramp):
    clock, samples, times = LiveClock(), 0, []
    for sound in Microphone(str(ramp), clock):
        assert sound.samples.to_ndarray()[0, 0] == samples % 1600
        samples += sound.samples.samples
        end = sound.time + sound.samples.samples / 8000
        assert clock.now() >= end - 1e-6, "a block is there when its last sample has been"
        times.append((sound.time, end))
        if samples >= 2400:
            break
    assert all(end == pytest.approx(start) for (_, end), (start, _) in pairwise(times))


def test_close_ends_the_iteration(ramp):
    microphone = Microphone(str(ramp), LiveClock())
    sounds = iter(microphone)
    next(sounds)
    microphone.close()
    assert list(sounds) == []


def test_what_has_no_sound_is_refused(tmp_path, make_clip):
    with pytest.raises(InputError, match="has no sound"):
        next(iter(Microphone(str(make_clip("silent.mkv")), LiveClock())))
    words = tmp_path / "words.wav"
    words.write_text("nothing to hear")
    with pytest.raises(InputError, match="cannot be opened"):
        next(iter(Microphone(str(words), LiveClock())))


def test_the_error_for_a_missing_microphone_names_the_available_ones(monkeypatch):
    monkeypatch.setattr(module, "microphone_names", lambda: [("hw:1", "Desk Microphone")])
    with pytest.raises(InputError) as caught:
        next(iter(Microphone("no-such-device", LiveClock())))
    assert "audio no-such-device: cannot be opened" in str(caught.value)
    assert "available: hw:1 (Desk Microphone)" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("system", "file", "options"),
    [
        ("dshow", "audio=Headset", {"audio_buffer_size": "20"}),
        ("avfoundation", ":Headset", None),
        ("alsa", "Headset", {}),
    ],
)
def test_how_devices_are_opened(monkeypatch, ramp, system, file, options):
    opened, real = [], av.open

    def stand_in(name, **arguments):
        opened.append((name, arguments.pop("format"), arguments.get("options")))
        return real(str(ramp))

    monkeypatch.setattr(module, "_FORMAT", system)
    monkeypatch.setattr(av, "open", stand_in)
    next(iter(Microphone("Headset", LiveClock())))
    assert opened == [(file, system, options)]


@pytest.mark.skipif(not os.path.isdir("/usr/share/alsa"), reason="ALSA's settings are not installed")  # noqa: PTH112
def test_alsa_of_the_wheel_finds_the_settings_of_the_system():
    """The device "null" is in ALSA's own settings; each block has the time at which it was captured."""
    clock = LiveClock()
    for sound in islice(Microphone("null", clock), 3):
        assert abs(clock.now() - sound.time) < 1


def test_times_of_blocks_follow_the_count_of_samples_but_not_for_ever():
    times, clock, jitter = _SteadyTimes(), 0.0, (0.0, 0.004, 0.001)
    starts = []
    for number in range(600):
        clock = (number + 1) * 0.0201  # the sound card's 20 ms are 20.1
        starts.append(times(clock - 0.02 + jitter[number % 3], 0.02))
    steps = np.diff(starts)
    assert np.all(np.abs(steps - 0.02) < 0.0006), "the jitter of arrival is not in the times"
    assert abs(starts[-1] - (clock - 0.02)) < 0.02, "nor is the difference of the clocks"
    assert times(clock + 4.98, 0.02) == pytest.approx(clock + 4.98), "after a gap they begin anew"
