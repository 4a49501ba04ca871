"""Ray: a node is lost while files are made. Needs the extra ``batch``, which other tests do not."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason='Ray is not installed: pip install -e ".[batch]"')


def test_a_lost_node_loses_nothing(make_clip, tmp_path, frames_of, times_of):
    for number in range(6):
        make_clip(tmp_path / "in" / f"{number}.mp4", count=40 + number)
    script = Path(__file__).with_name("ray_cluster.py")
    command = [sys.executable, str(script), str(tmp_path / "in"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {"event": "node lost"} in events
    assert events[-1].items() >= {"event": "summary", "done": 6, "failed": 0, "frames": 255}.items()
    for number in range(6):
        source, output = (tmp_path / folder / f"{number}.mp4" for folder in ("in", "out"))
        assert len(frames_of(output)) == 40 + number
        assert times_of(output) == times_of(source)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".streamseg", *(f"{n}.mp4" for n in range(6))]
