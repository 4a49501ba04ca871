"""Sound beside the recorded frames: in sync by time stamps, whatever comes late."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from streamseg.pipelines.stages.live_background import LIVE_FORMAT
from streamseg.pipelines.webcam import WebcamSettings
from streamseg.pipelines.webcam.recorder import recording, recording_target

from streamseg.errors import OptionError
from streamseg.frame import Colour, Frame
from streamseg.media.live.clock import LIVE_TIME_BASE, LiveClock
from streamseg.media.live.microphone import Sound
from streamseg.media.pixels.conform import Shape
from streamseg.media.writing.target import Encoding

RATE, START = 44_100, 100.0


def grey(level: int, time: float) -> Frame:
    planes = (np.full((48, 64), level, np.uint8), *(np.full((24, 32), 128, np.uint8) for _ in range(2)))
    return Frame(planes, LIVE_FORMAT, round(time / LIVE_TIME_BASE), LIVE_TIME_BASE, Colour(1, 1, 1, 1))


def block(time: float, loud: bool) -> Sound:
    """A hundredth of a second of sound, captured at ``time``."""
    samples = np.full((1, RATE // 100), 12_000 if loud else 0, np.int16)
    samples[:, ::2] *= -1
    frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
    frame.sample_rate = RATE
    return Sound(frame, time)


def heard(path):
    """Loudness of each hundredth of a second."""
    with av.open(str(path)) as container:
        resampler, blocks = av.AudioResampler("flt", "mono", 48_000), []
        stream = container.streams.audio[0]
        for number, frame in enumerate(container.decode(stream)):
            if number == 0:
                blocks.append(np.zeros(max(0, round(frame.pts * frame.time_base * 48_000)), np.float32))
            blocks += [each.to_ndarray()[0] for each in resampler.resample(frame)]
    sound = np.concatenate(blocks)
    return np.abs(sound[: len(sound) // 480 * 480]).reshape(-1, 480).max(axis=1)


@pytest.fixture
def recorder(tmp_path):
    path = tmp_path / "out.mkv"
    shape = Shape(64, 48, LIVE_FORMAT, Colour(1, 1, 1, 1), Fraction(1))
    target = recording_target(str(path), LIVE_FORMAT, Encoding(), sound=True)
    output, recorder = recording(target, shape, 25, False, LiveClock(), lambda message: None, sound=True)
    yield recorder, output, path
    if not path.exists():
        output.close()


def test_sound_is_where_its_frame_is_though_frames_come_late(recorder):
    """Each second a white frame and a bang at the same time; frames come 0.3 s later than sound."""
    recorder, output, path = recorder
    for hundredth in range(-20, 300):
        time = START + hundredth / 100
        recorder.hear(block(time + 0.0005, loud=hundredth % 100 == 50))
        late = hundredth - 30
        if late >= 0 and late % 4 == 0:
            white = late % 100 in (48, 52)
            recorder.write(grey(235 if white else 16, START + late / 100))
    output.close()
    loudness = heard(path)
    bangs = [number for number, level in enumerate(loudness) if level > 0.15]
    assert {round(number / 100 - 0.505, 1) for number in bangs} == {0.0, 1.0, 2.0}, bangs
    assert len(loudness) <= 274, "it ends with the last frame"


def test_gaps_are_silent_and_a_clock_that_is_too_fast_does_not_drift(recorder):
    recorder, output, path = recorder
    recorder.write(grey(16, START))
    for number in range(300):
        if not 100 <= number < 150:  # unplugged
            recorder.hear(block(START + number / 100 * 1.002, loud=number in (50, 250)))
    recorder.write(grey(16, START + 3.1))
    output.close()
    bangs = [number for number, level in enumerate(heard(path)) if level > 0.15]
    assert all(min(abs(number - 50.5), abs(number - 251)) < 3 for number in bangs) and bangs[0] < 100 < bangs[-1]


def test_sound_does_not_wait_for_a_camera_that_is_lost(recorder, monkeypatch):
    monkeypatch.setattr("streamseg.pipelines.webcam.recorder._LONGEST_WAIT_S", 0.2)
    recorder, output, path = recorder
    recorder.write(grey(16, START))
    for number in range(100):
        recorder.hear(block(START + number / 100, loud=True))
    assert len(recorder._waiting) <= 21
    output.close()
    recorder.hear(block(START + 1, loud=True))  # the microphone's thread may be late
    assert 75 <= len(heard(path)) <= 85


def test_audio_needs_a_recording_that_has_sound(tmp_path):
    with pytest.raises(OptionError, match="only a recording has sound"):
        WebcamSettings(audio="default")
    with pytest.raises(OptionError, match="a folder of PNGs has no sound"):
        recording_target(str(tmp_path / "frames"), LIVE_FORMAT, Encoding(), sound=True)
    assert replace(WebcamSettings(record="a.mp4"), audio="default").audio == "default"
