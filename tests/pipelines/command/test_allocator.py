"""Freed memory is used again by every thread, without new pages."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, threading
import numpy as np
from streamseg.pipelines.command.allocator import keep_memory_small
if sys.argv[1] == "set":
    keep_memory_small()

def frames():
    for _ in range(50):
        np.empty(3_000_000, np.uint8).fill(1)

faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    thread = threading.Thread(target=frames)
    thread.start()
    thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
"""


def page_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the allocator of glibc")
def test_later_frames_use_the_pages_of_the_first():
    one_frame = 3_000_000 // 4096
    assert page_faults("set") < 2 * one_frame < page_faults("default")
