"""Standard output of any encoding, and pipes that close."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.media.images import encode_image

COMMAND = [sys.executable, "-m", "streamseg.pipelines.cli"]
CLIP = Path(__file__).resolve().parents[3] / "samples" / "clip.mp4"


@pytest.fixture
def image(tmp_path):
    """Makes a small PNG of some name."""

    def make(name):
        native = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), "rgb24")
        (tmp_path / name).write_bytes(encode_image(native, ".png"))
        return tmp_path / name

    return make


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_no_text_fails_in_any_encoding(tmp_path, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for arguments in (["--help"], ["video", "--help"], ["image", "no 😀 file.png", str(tmp_path / "x.png")]):
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, timeout=60, env=environment)
        assert b"Traceback" not in done.stderr and done.returncode == (1 if arguments[0] == "image" else 0)


def test_a_reader_that_has_ended_is_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*COMMAND, "--help"], stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (done.returncode in (0, 141), done.stderr) == (True, b"")  # 0 where Python does not buffer


def test_names_with_colons_and_emoji_and_bytes(tmp_path, image, streamseg, monkeypatch):
    image("12:30.png")
    monkeypatch.chdir(tmp_path)
    for name in ("12:31.png", "😀.png", os.fsdecode(b"\xff\xfe.png")):
        done = streamseg("image", "12:30.png", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert (tmp_path / name).stat().st_size > 0


def test_a_video_with_a_colon_in_its_names(tmp_path, streamseg, monkeypatch):
    (tmp_path / "12:30.mp4").write_bytes(CLIP.read_bytes())
    monkeypatch.chdir(tmp_path)
    done = streamseg("video", "12:30.mp4", "12:31.mp4", "--bg", "12:30.mp4", "--duration", "0.1")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["12:30.mp4", "12:31.mp4"]


@pytest.mark.parametrize("subcommand", ["video", "image"])
def test_a_dash_is_no_output(tmp_path, image, subcommand, streamseg, monkeypatch):
    source = image("in.png")
    monkeypatch.chdir(tmp_path)
    done = streamseg(subcommand, source, "-")
    assert done.returncode == 2 and "standard output is not supported" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def run_until_signal(tmp_path, number, seconds=4.0, wait=0.3, speed="best", **options):
    """Status and output file of a job that gets a signal so many seconds after it has begun its output."""
    arguments = ["video", str(CLIP), str(tmp_path / "out.mkv"), "--bg", "black", "--duration", str(seconds)]
    arguments += ["--speed", speed]
    with subprocess.Popen(
        [*COMMAND, *arguments], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options
    ) as job:
        deadline = time.monotonic() + 60
        while not any(tmp_path.glob(".out*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(wait)  # for some frames
        job.send_signal(number)
        return job.wait(60), tmp_path / "out.mkv"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM"])
def test_a_closed_terminal_leaves_a_playable_file(tmp_path, name):
    number = getattr(signal, name)
    status, out = run_until_signal(tmp_path, number)
    assert status == 128 + number
    with av.open(str(out)) as container:
        assert 0 < sum(1 for _ in container.decode(video=0)) <= 96
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_nohup_is_respected(tmp_path):
    status, out = run_until_signal(
        tmp_path, signal.SIGHUP, 0.5, 0, "fast", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    assert status == 0
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12


def test_warnings_of_images_are_in_the_json_too(tmp_path, image, streamseg, monkeypatch):
    """Here of a profile that is none."""
    data = image("in.png").read_bytes()
    body = b"iCCP" + b"a profile\0\0" + zlib.compress(bytes(200))
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    (tmp_path / "in.png").write_bytes(data[:33] + chunk + data[33:])
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["image", "in.png", "out.png", "--bg", "red", "--json"],
        ["video", str(CLIP), "out.mp4", "--bg", "in.png", "--duration", "0.1", "--json", "--quiet"],
    ):
        done = streamseg(*arguments)
        assert done.returncode == 0, done.stderr
        warned = [warning for warning in json.loads(done.stdout)["warnings"] if "compile" not in warning]
        assert len(warned) == 1
        assert warned[0].startswith("in.png: its ICC profile is left out of account")
        assert done.stderr.count("its ICC profile is left out of account") == 1
