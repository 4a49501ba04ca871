"""A reader in a forked child: its decoder's threads are in the parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CLIP = Path(__file__).parents[3] / "samples" / "clip.mp4"

# In a process of its own, because pytest's has threads.
CODE = """
import os, sys
from streamseg.frame import Frame
from streamseg.media.reading.reader import VideoReader

reader = VideoReader(sys.argv[1], threads=2)
items = iter(reader)
frames = [next(items) for _ in range(5)]
child = os.fork()
if not child:
    if sys.argv[2] == "close":
        reader.close()
    raise SystemExit(7)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(status, 5 + sum(isinstance(item, Frame) for item in items))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("closed", ["close", "leave"])
def test_a_child_ends_and_the_parent_reads_on(closed):
    done = subprocess.run([sys.executable, "-c", CODE, str(CLIP), closed], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["7", "96"], done.stderr
