"""What is done with freed memory, in processes of their own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")

# Pages of the arrays of 30 frames, which are freed after each.
_FRAMES = """
import resource, sys
import numpy as np
from streamseg.runtime.memory import keep_freed, trim

def resident():
    return int(open("/proc/self/statm").read().split()[1])

def frame():
    arrays = [np.ones((480, 640), np.float32) for _ in range(12)]

if sys.argv[1] == "keep":
    keep_freed()
empty = resident()
frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(30):
    frame()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
kept = resident() - empty
trim()
print(faults, kept, resident() - empty)
"""


def frames(how):
    """Page faults of 30 frames, and pages that are held after them: before and after trim."""
    done = subprocess.run([sys.executable, "-c", _FRAMES, how], capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


def test_freed_arrays_are_kept_for_the_next_frame_until_they_are_trimmed():
    pages = 12 * 480 * 640 * 4 // 4096
    assert frames("default")[0] > 10 * pages
    faults, kept, trimmed = frames("keep")
    assert faults < pages / 10
    assert kept > pages / 2 and trimmed < pages / 10
