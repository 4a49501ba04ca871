"""The webcam pipeline as a user runs it, with a file as the camera."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import av
import numpy as np
import pytest
from streamseg.pipelines.webcam import WebcamJob, WebcamSettings
from streamseg.pipelines.webcam import job as webcam_module

from streamseg.errors import InputError

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


@pytest.fixture
def webcam(streamseg):
    def run(*arguments):
        return streamseg("webcam", *arguments)

    return run


def frames_and_times(path):
    with av.open(str(path)) as container:
        assert not container.streams.audio
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return frames, [float(frame.pts * stream.time_base) for frame in frames]


def test_a_recording_has_the_new_background_and_the_times_of_capture(webcam, sample_clip, tmp_path):
    out = tmp_path / "out.mp4"
    options = ["--camera", sample_clip, "--bg", "#00ff00", "--headless", "--record", out, "--duration", 2, "--json"]
    done = webcam(*options)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    frames, times = frames_and_times(out)
    (recording,) = summary["outputs"]
    assert recording["name"] == "recording"
    assert recording["frames"] == len(frames) >= 4
    assert times[0] == 0
    steps = np.diff(times)
    assert np.all(steps > 0)
    # Whatever was dropped, time stamps are multiples of the camera's 1/24 s; but where this machine decodes the clip
    # too late, it is delayed from there on.
    irregular = np.abs(steps * 24 - np.rint(steps * 24)) >= 0.1
    late = steps * 24 > 1.1
    assert (not np.any(irregular & ~late) and np.count_nonzero(irregular) <= 2) or summary["figures"]["lost"]
    corner = frames[-1].to_ndarray(format="rgb24")[:20, :20].reshape(-1, 3).mean(axis=0)
    assert corner[1] > 200 and corner[0] < 60 and corner[2] < 60
    assert 0 < recording["age_median"] <= recording["age_95"]
    assert summary.keys() == {"seconds", "figures", "outputs", "settings", "failed"}
    assert summary["figures"].keys() >= {"arrived", "shown", "lost", "arrived_fps", "shown_fps", "network_fps", "every"}
    assert summary["figures"].keys() >= {"age_last", "age_median", "age_95"}


def test_a_recording_has_the_sound_of_its_time(sample_clip, tmp_path):
    """The microphone is a file: its tone lasts as long as the frames."""
    tone, out, messages = tmp_path / "tone.wav", tmp_path / "out.mp4", []
    with av.open(str(tone), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        samples = (8000 * np.sin(np.arange(24_000) * 2 * np.pi * 440 / 48_000)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
    settings = WebcamSettings(str(sample_clip), headless=True, record=str(out), audio=str(tone), delay=1)
    WebcamJob(settings, duration=1.5, report=messages.append).run()
    with av.open(str(out)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert abs(float(video.duration * video.time_base) - float(audio.duration * audio.time_base)) < 0.2
        frames = np.concatenate([each.to_ndarray()[0] for each in container.decode(audio)])
    loud = np.abs(frames[: len(frames) // 480 * 480].reshape(-1, 480)).max(axis=1)
    assert np.all(loud[5:-5] > 0.1), "no gaps"
    assert not messages or "ms late" in messages[0]


def test_an_interrupt_leaves_a_file_that_plays(sample_clip, tmp_path):
    out = tmp_path / "out.mkv"
    command = [sys.executable, "-m", "streamseg.pipelines.cli", "webcam", "--camera", str(sample_clip), "--bg", "blur"]
    process = subprocess.Popen(
        [*command, "--headless", "--record", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    growing = Event()
    for _ in range(1200):
        if any(path.stat().st_size > 5000 for path in tmp_path.glob(".out.partial-*")):
            break
        growing.wait(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "recording" in output
    frames, _ = frames_and_times(out)
    assert frames
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--camera", "nowhere.mp4"], 1, "no such camera, file or address"),
        (["--bg", "nowhere.jpg"], 1, "background nowhere.jpg"),
        (["--bg", "transparent"], 2, "no alpha"),
        (["--steady", "3"], 2, "steady 3"),
        (["--width", "0"], 2, "width 0"),
        (["--delay", "9"], 2, "delay 9: expected 0 to 8 frames"),
        (["--edges", "maybe"], 2, "on or off"),
        (["--record", "out.xyz"], 2, "unknown kind of output"),
        (["--audio", SAMPLES / "beach.jpg"], 1, "beach.jpg: has no sound"),
        (["--config", "nowhere.toml"], 1, "nowhere.toml: cannot be read"),
    ],
)
def test_an_error_is_one_line(webcam, sample_clip, tmp_path, options, status, words):
    usual = ["--camera", sample_clip, "--headless", "--record", tmp_path / "out.mp4", "--duration", 1]
    done = webcam(*usual, *options)
    assert done.returncode == status
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_any_output_it_is_refused(webcam, sample_clip):
    done = webcam("--camera", sample_clip, "--headless")
    assert done.returncode == 2
    assert "there is no output left" in done.stderr


def test_an_existing_recording_is_kept(webcam, sample_clip, tmp_path):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    done = webcam("--camera", sample_clip, "--headless", "--record", out, "--duration", 1)
    assert done.returncode == 1
    assert "already exists; --overwrite replaces it" in done.stderr
    assert out.read_bytes() == b"precious"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_camera_without_any_frame_is_an_error_after_a_while(monkeypatch, tmp_path):
    monkeypatch.setattr(webcam_module, "_OPEN_SECONDS", 0.3)
    silent = tmp_path / "silent"
    os.mkfifo(silent)
    job = WebcamJob(WebcamSettings(str(silent), headless=True, record=str(tmp_path / "out.mp4")))
    with pytest.raises(InputError, match="no frame within") as caught:
        job.run()
    assert "\n" not in str(caught.value)
    # Ends the thread that is still opening it.
    os.close(os.open(silent, os.O_WRONLY | os.O_NONBLOCK))


def test_stopping_before_the_first_frame_is_an_interrupt(tmp_path, sample_clip):
    job = WebcamJob(WebcamSettings(str(sample_clip), headless=True, record=str(tmp_path / "out.mp4")))
    job.stop()
    with pytest.raises(KeyboardInterrupt):
        job.run()
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_fails_is_reported_and_ends_the_job_without_another_output(sample_clip, tmp_path, monkeypatch):
    """The disk is full from the third frame on."""
    messages, recorded = [], []
    real = webcam_module.recording

    def failing(*arguments):
        output, recorder = real(*arguments)

        def write(frame):
            recorded.append(frame.pts)
            if len(recorded) == 3:
                raise OSError(28, "No space left on device")

        output._write = write
        return output, recorder

    monkeypatch.setattr(webcam_module, "recording", failing)
    settings = WebcamSettings(str(sample_clip), headless=True, record=str(tmp_path / "out.mp4"))
    job = WebcamJob(settings, report=messages.append)
    thread = Thread(target=lambda: messages.append(job.run()))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    *reported, summary = messages
    assert summary.failed
    assert any("No space left" in message for message in reported)
    assert list(tmp_path.iterdir()) == []


def test_the_name_tell_of_the_release_before_still_works():
    with pytest.warns(DeprecationWarning, match="tell= is now report="):
        job = WebcamJob(WebcamSettings(), tell=print)
    assert job.report is print
