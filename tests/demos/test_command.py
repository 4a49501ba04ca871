"""``streamseg demo`` on the command line: errors are one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.util import find_spec

import pytest


def run(*arguments, **environment):
    command = [sys.executable, "-P", "-m", "streamseg.pipelines.cli", "demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})


@pytest.mark.parametrize("module", ["gradio", "aiortc"])
def test_a_missing_library_is_named_with_its_extra(tmp_path, module):
    (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{module}'\")")
    done = run(PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert 'pip install "streamseg[demo]"' in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("--visitors", 0), ("--port", 70000), ("--upload-mb", -1), ("--clip-seconds", 0)]
)
def test_options_out_of_range_are_refused(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert "expected" in done.stderr and done.stderr.count("\n") == 1


installed = pytest.mark.skipif(
    not (find_spec("gradio") and find_spec("aiortc")), reason="Gradio and aiortc are not installed"
)


def test_a_port_in_use_is_reported(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", port, TMPDIR=str(tmp_path))
    assert done.returncode == 2
    assert f"--port {port}: cannot be listened on" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@installed
def test_unusable_weights_are_reported_before_the_page_is_served(tmp_path):
    done = run("--weights", tmp_path / "none.safetensors")
    assert done.returncode == 1
    assert "none.safetensors" in done.stderr and done.stderr.count("\n") == 1
