"""``streamseg serve`` as a process: SIGTERM, files, and what it says."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

if sys.platform == "win32":
    pytest.skip("Windows has no SIGTERM", allow_module_level=True)

TOKEN = "open sesame"  # noqa: S105
COMMAND = [sys.executable, "-P", "-m", "streamseg.pipelines.cli", "serve", "--port"]


@contextmanager
def serving(folder: Path, *options: str, **environment: str):
    """A process that serves, and its port; at its end nothing is left of its files."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [*COMMAND, str(port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder), **environment},
        cwd=folder,
    )
    try:
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        _, errors = process.communicate()
    assert process.returncode == 0 and "Traceback" not in errors, errors
    assert list(folder.iterdir()) == [], "the service left files behind"


def events(client, path):
    with client.stream("GET", path) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def test_sigterm_finishes_what_runs_and_takes_nothing_new(tmp_path, few_frames, encoded):
    clip, token = few_frames(count=16), {"Authorization": f"Bearer {TOKEN}"}
    with (
        serving(tmp_path, "--grace", "100", STREAMSEG_TOKEN=TOKEN) as (process, port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=token, timeout=60, trust_env=False) as client,
        connect(f"ws://127.0.0.1:{port}/v1/live", proxy=None, additional_headers=token) as live,
    ):
        assert client.get("/metrics", headers={"Authorization": ""}).status_code == 401
        running = client.post("/v1/clips", content=clip.read_bytes()).headers["location"]
        waiting = client.post("/v1/clips", content=clip.read_bytes()).headers["location"]
        progress = events(client, f"{running}/events")
        while not next(progress)["frames"]:
            pass
        process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:  # which says that it has begun to stop
            live.recv(30)
        assert closed.value.rcvd.code == 1012
        refused = client.post("/v1/images", content=encoded())
        assert refused.status_code == 503 and refused.headers["retry-after"]
        assert client.get("/healthz").status_code == 503
        assert "send it again" in client.get(waiting).json()["error"]
        *_, last = progress
        assert (last["state"], last["frames"]) == ("done", 16)
        assert client.get(last["result"]).content[4:8] == b"ftyp"
        process.wait(60)  # the result has been fetched: there is nothing to wait for


def test_after_the_grace_what_runs_is_cancelled(tmp_path, sample_clip):
    with (
        serving(tmp_path, "--grace", "0") as (process, port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
    ):
        job = client.post("/v1/clips", content=sample_clip.read_bytes()).headers["location"]
        progress = events(client, f"{job}/events")
        while not next(progress)["frames"]:
            pass
        process.send_signal(signal.SIGTERM)
        *_, last = progress
        assert last["state"] == "cancelled"
        process.wait(60)


def test_a_port_that_is_taken_and_options_out_of_range_are_wrong_commands(streamseg):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = streamseg("serve", "--port", taken.getsockname()[1])
    assert done.returncode == 2 and "choose another" in done.stderr and "Traceback" not in done.stderr
    done = streamseg("serve", "--max-pixels", 0)
    assert done.returncode == 2 and "--max-pixels 0: expected more than 0" in done.stderr
