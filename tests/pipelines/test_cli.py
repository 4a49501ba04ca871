"""The command as a user runs it: exit status, messages, files."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import termios
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest
from streamseg.pipelines import cli
from streamseg.pipelines.bench import cpu, steps
from streamseg.pipelines.command.options import seconds

from streamseg.device.cpu.openvino.peak import multiplications_per_second


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_summary_is_printed_at_the_end(tmp_path, streamseg, sample_clip, beach):
    out = tmp_path / "out.mp4"
    done = streamseg("video", sample_clip, out, "--bg", beach, "--duration", 0.1)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 frames in ") and done.stdout.strip().endswith(str(out))
    assert names_in(tmp_path) == ["out.mp4"]


def test_json_and_quiet_and_stats(tmp_path, streamseg, sample_clip):
    out = tmp_path / "out.mp4"
    done = streamseg("video", sample_clip, out, "--bg", "red", "--duration", "0:00:00.1", "--json", "--stats")
    summary = json.loads(done.stdout)
    assert (summary["frames"], summary["output"], summary["stopped"]) == (3, str(out), False)
    keys = {"source", "output", "frames", "seconds", "stopped", "warnings", "statistics", "fps", "encoding", "subject"}
    assert summary.keys() == keys
    assert summary["encoding"] == "H.264, 8-bit 4:2:0: the source has 8 bits"
    assert "network" in done.stderr and "ms/item" in done.stderr
    quiet = streamseg("video", sample_clip, tmp_path / "q.mp4", "--bg", "red", "--duration", 0.1, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["video", "in.mp4"], "required: OUT"),
        (["video", "in.mp4", "out.mp4", "--start", "soon"], "expected seconds or h:m:s"),
    ],
)
def test_a_wrong_command_is_one_line_and_status_2(streamseg, arguments, message):
    done = streamseg(*arguments)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_a_wrong_command_ends_the_process_with_status_2(streamseg_process):
    done = streamseg_process("vidoe")
    assert (done.returncode, done.stdout) == (2, "")
    assert "invalid choice" in done.stderr and done.stderr.count("\n") == 1


def test_contradicting_options_are_status_2(tmp_path, streamseg, sample_clip):
    done = streamseg("video", sample_clip, tmp_path / "out.mp4", "--bg", "transparent")
    assert done.returncode == 2
    assert "mp4 cannot hold transparency" in done.stderr and done.stderr.count("\n") == 1
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("content", [None, b"", b"this is no video, whatever its name says\n" * 100])
def test_a_source_that_cannot_be_opened_is_one_line_and_status_1(tmp_path, streamseg, content):
    source = tmp_path / "in.mp4"
    if content is not None:
        source.write_bytes(content)
    done = streamseg("video", source, tmp_path / "out.mp4")
    assert done.returncode == 1
    assert str(source) in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out.mp4").exists()


def test_encrypted_video_is_reported_as_such(tmp_path, streamseg, shared_data):
    done = streamseg("video", shared_data / "clips" / "encrypted.mp4", tmp_path / "out.mp4")
    assert done.returncode == 1
    assert "encrypted" in done.stderr.replace("encrypted.mp4", "") and done.stderr.count("\n") == 1
    assert names_in(tmp_path) == []


def test_damage_is_status_1_and_skipped_on_request(tmp_path, streamseg, shared_data):
    source = shared_data / "clips" / "rotated-sar-truncated.mp4"
    options = ("--bg", "red", "--speed", "fast", "--preset", "ultrafast")
    strict = streamseg("video", source, tmp_path / "strict.mp4", *options, "--duration", 3)
    assert strict.returncode == 1
    assert "damaged at 1.128 s" in strict.stderr and "33 frames in" in strict.stderr
    tolerant = streamseg("video", source, tmp_path / "tolerant.mp4", *options, "--tolerant")
    assert tolerant.returncode == 0
    assert "warning: damaged at 1.128 s" in tolerant.stderr
    assert tolerant.stdout.startswith("33 frames")


def test_reads_from_a_pipe(tmp_path, streamseg_process, few_frames, times_of):
    source = few_frames(count=4)
    with subprocess.Popen(["/bin/cat", str(source)], stdout=subprocess.PIPE) as cat:
        arguments = ["video", "-", tmp_path / "out.mkv", "--bg", "black", "--speed", "fast"]
        done = streamseg_process(*arguments, stdin=cat.stdout)
    assert done.returncode == 0, done.stderr
    assert times_of(tmp_path / "out.mkv") == times_of(source)


def test_a_part_of_a_pipe(tmp_path, streamseg_process, few_frames, times_of):
    source = few_frames(count=8, suffix=".nut")
    with subprocess.Popen(["/bin/cat", str(source)], stdout=subprocess.PIPE) as cat:
        arguments = ["video", "-", tmp_path / "out.mp4", "--bg", "black", "--speed", "fast"]
        done = streamseg_process(*arguments, "--start", 0.1, "--duration", 0.15, stdin=cat.stdout)
    assert done.returncode == 0, done.stderr
    assert len(times_of(tmp_path / "out.mp4")) == len([t for t in times_of(source) if 0.1 <= t < 0.25])


def test_reads_from_a_web_address(tmp_path, streamseg, few_frames, times_of):
    source = few_frames(count=4)
    handler = partial(SimpleHTTPRequestHandler, directory=str(source.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/{source.name}"
        done = streamseg("video", address, tmp_path / "out.mkv", "--bg", "black")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert times_of(tmp_path / "out.mkv") == times_of(source)


def test_a_full_disk_leaves_nothing_behind(tmp_path, streamseg_process, sample_clip):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    options = ("--bg", "black", "--speed", "fast", "--duration", 0.3)
    done = streamseg_process("video", sample_clip, tmp_path / "out.mp4", *options, preexec_fn=limit)
    assert done.returncode == 1
    assert "out.mp4: cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert names_in(tmp_path) == []


def interrupted_on_a_terminal(arguments, signals=1):
    """Run the command on a terminal of its own, interrupt it at the first frame; gives status and screen."""
    main, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    command = [sys.executable, "-m", "streamseg.pipelines.cli", *map(str, arguments)]
    with subprocess.Popen(command, stderr=terminal, stdout=terminal, close_fds=True) as process:
        os.close(terminal)
        screen = ""
        while chunk := _read(main):
            screen += chunk
            if signals and re.search(r"\b[1-9]\d*/\d+ \[", screen):
                process.send_signal(signal.SIGINT)
                signals -= 1
        os.close(main)
        return process.wait(60), screen


def _read(main):
    try:
        return os.read(main, 4096).decode(errors="replace")
    except OSError:  # the process has closed its end
        return ""


def test_ctrl_c_finishes_a_playable_file(tmp_path, sample_clip, times_of):
    status, screen = interrupted_on_a_terminal(["video", sample_clip, tmp_path / "out.mp4", "--bg", "black"])
    assert status == 130
    assert "finishing the file" in screen and "Traceback" not in screen
    assert 0 < len(times_of(tmp_path / "out.mp4")) < 96
    assert names_in(tmp_path) == ["out.mp4"]


def test_ctrl_c_while_a_pipe_has_no_data_ends_at_once(tmp_path):
    command = [sys.executable, "-m", "streamseg.pipelines.cli", "video", "-", str(tmp_path / "out.mp4")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        # Once it has read the first byte of standard input, the program waits inside FFmpeg.
        process.stdin.write("x")
        process.stdin.flush()
        deadline = time.monotonic() + 20
        while not _waits_for_input(process.pid) and time.monotonic() < deadline:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (130, -signal.SIGINT)
        assert "Traceback" not in process.stderr.read()
    assert names_in(tmp_path) == []


def _waits_for_input(pid):
    wchan = Path(f"/proc/{pid}/wchan")
    return "pipe" in (wchan.read_text(encoding="utf-8") if wchan.exists() else "pipe")


def test_a_terminal_shows_a_bar_with_frames_and_time_left(tmp_path, sample_clip):
    arguments = ["video", sample_clip, tmp_path / "out.mp4", "--bg", "black", "--speed", "fast", "--duration", 0.2]
    status, screen = interrupted_on_a_terminal(arguments, signals=0)
    assert status == 0
    assert "5/5" in screen and "frame/s" in screen


def test_image(tmp_path, streamseg_process, beach):
    done = streamseg_process("image", beach, tmp_path / "out.png", "--bg", "red")
    assert (done.returncode, done.stderr) == (0, "")
    assert names_in(tmp_path) == ["out.png"]


def test_bench_compares_end_to_end_with_network_and_codecs(few_frames, monkeypatch, capsys):
    """What has tests of its own, in processes of their own, is not measured again."""
    monkeypatch.setattr(cpu, "cold_start_seconds", lambda *_: 0.5)
    monkeypatch.setattr(cpu, "peak_megabytes", lambda *_: 200.0)
    monkeypatch.setattr(cpu, "_NETWORK_FRAMES", 12)
    monkeypatch.setattr(steps, "_FRAMES", 6)
    monkeypatch.setattr(steps, "_WARM_UP", 2)
    monkeypatch.setattr(cpu, "multiplications_per_second", partial(multiplications_per_second, runs=2))
    assert cli.main(["bench", str(few_frames(count=4)), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == 4
    slower = min(figures["network_fps"], figures["transcode_fps"])
    assert figures["efficiency"] == pytest.approx(figures["end_to_end_fps"] / slower)
    assert figures["end_to_end_fps"] == figures["whole_fps"] > 0
    assert figures.keys() >= {"every", "memory", "products", "kernel_multiplications"}
    assert figures["steps"].keys() >= {"motion", "prepare", "filter", "smoothing", "edges", "composite", "background"}
    assert figures["steps"].keys() >= {"memory", "settle"}  # of the release before
    assert [stage["name"] for stage in figures["statistics"]["stages"]][2] == "network"
    assert 7_768_940_800 < figures["work"]["multiplications"] < 19_755_475_200  # of lite inferences, of full ones
    for name in ("int8", "float32"):
        speed = figures["work"]["multiplications"] * figures["network_fps"]
        assert figures["of_peak"][name] == pytest.approx(speed / figures["peak"][name])
    assert (figures["cold_start"], figures["memory"], figures["peer"]) == (0.5, 200.0, None)


def test_bench_against_an_unknown_program(streamseg, few_frames):
    done = streamseg("bench", few_frames(count=2), "--against", "nothing")
    assert done.returncode == 2
    assert "expected rembg" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import streamseg", ["torch", "cupy", "openvino", "cv2", "numpy", "av"]),
        ("import streamseg.pipelines", ["torch", "cupy", "openvino", "cv2", "numpy", "av"]),
        ("import streamseg.pipelines.webcam, streamseg.pipelines.bench", ["openvino", "cv2", "numpy", "av"]),
        ("import streamseg.pipelines.evaluate", ["openvino", "cv2", "numpy", "av"]),
        (
            "from streamseg.pipelines import Segmenter, process_video, process_image",
            ["torch", "cupy", "openvino", "cv2"],
        ),
        ("import streamseg.metrics.sod", ["scipy", "py_sod_metrics", "matplotlib", "cv2", "openvino", "av"]),
        (
            "import streamseg.pipelines.command.subcommands",
            ["scipy", "py_sod_metrics", "matplotlib", "torch", "cv2", "openvino"],
        ),
        ("from streamseg.pipelines.cli import _parser; _parser().format_help()", ["numpy", "av", "tqdm"]),
    ],
)
def test_importing_loads_nothing_heavy(statement, absent):
    code = f"{statement}\nimport sys\nprint([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("1:30", 90), ("0:01:30.5", 90.5), ("0", 0)])
def test_times_are_seconds_or_hours_minutes_and_seconds(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("options", "profile", "words"),
    [
        ((), "High", "players want this; --pixel-format source keeps 8-bit 4:4:4"),
        (("--pixel-format", "source"), "High 4:4:4 Predictive", "H.264, 8-bit 4:4:4: the source has 8 bits"),
    ],
)
def test_what_everybody_plays_or_what_the_source_has(tmp_path, streamseg, few_frames, options, profile, words):
    out = tmp_path / "out.mp4"
    done = streamseg("video", few_frames("yuv444p"), out, "--bg", "red", *options)
    assert done.returncode == 0, done.stderr
    assert words in done.stderr
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.profile == profile
