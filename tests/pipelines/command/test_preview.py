"""The window of --preview: one line of error where it cannot be opened."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def run(arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-m", "streamseg.pipelines.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**clean, **environment})


@pytest.fixture
def fake_opencv(tmp_path):
    """A folder for PYTHONPATH whose cv2 cannot be loaded for the reason given."""

    def make(source):
        folder = tmp_path / "fake"
        folder.mkdir()
        (folder / "cv2.py").write_text(source)
        return str(folder)

    return make


def test_a_missing_system_library_is_named_with_its_package(tmp_path, sample_clip, fake_opencv):
    path = fake_opencv('raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")')
    done = run(["video", sample_clip, tmp_path / "out.mp4", "--preview"], PYTHONPATH=path, DISPLAY=":0")
    assert done.returncode == 1
    assert "libGL.so.1" in done.stderr and "apt-get install libgl1 libglib2.0-0" in done.stderr
    assert done.stderr.count("\n") == 1


def test_missing_opencv_is_named_with_its_extra(tmp_path, sample_clip, fake_opencv):
    path = fake_opencv('raise ModuleNotFoundError("No module named cv2")')
    done = run(["video", sample_clip, tmp_path / "out.mp4", "--preview"], PYTHONPATH=path, DISPLAY=":0")
    assert done.returncode == 1
    assert "streamseg[window]" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only on Linux can the display be missing")
def test_a_missing_display_is_reported_and_nothing_is_written(tmp_path, sample_clip, fake_opencv):
    done = run(["video", sample_clip, tmp_path / "out.mp4", "--preview"], PYTHONPATH=fake_opencv(""))
    assert done.returncode == 1
    assert "needs a display" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only the Linux wheels conflict")
def test_loading_opencv_after_pyav_is_refused(fake_opencv):
    code = "import av\nfrom streamseg.media.live.opencv import import_cv2\nimport_cv2()"
    environment = {**os.environ, "PYTHONPATH": fake_opencv("")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "import cv2 first" in done.stderr
