"""``streamseg demo`` on the command line: errors are one line."""

from __future__ import annotations

import socket
import sys
import tempfile
from importlib.util import find_spec

import pytest


@pytest.fixture
def run(streamseg, monkeypatch, tmp_path):
    """``streamseg demo`` in this process, with an empty folder for its files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):  # which it sets
        monkeypatch.setenv(name, "")
    return lambda *arguments: streamseg("demo", *arguments)


@pytest.mark.parametrize("module", ["gradio", "aiortc"])
def test_a_missing_library_is_named_with_its_extra(run, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    done = run()
    assert done.returncode == 1
    assert 'pip install "streamseg[demo]"' in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("--visitors", 0), ("--port", 70000), ("--upload-mb", -1), ("--clip-seconds", 0)]
)
def test_options_out_of_range_are_refused(run, arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert "expected" in done.stderr and done.stderr.count("\n") == 1


installed = pytest.mark.skipif(
    not (find_spec("gradio") and find_spec("aiortc")), reason="Gradio and aiortc are not installed"
)


def test_a_port_in_use_is_reported(run, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", port)
    assert done.returncode == 2
    assert f"--port {port}: cannot be listened on" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@installed
def test_unusable_weights_are_reported_before_the_page_is_served(run, tmp_path):
    done = run("--weights", tmp_path / "none.safetensors")
    assert done.returncode == 1
    assert "none.safetensors" in done.stderr and done.stderr.count("\n") == 1
