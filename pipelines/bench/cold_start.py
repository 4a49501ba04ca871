"""Cold start: from the start of a process to the first frame written."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from streamseg.errors import StreamsegError

__all__ = ["cold_start_seconds"]

_RUNS = 3
_CHILD = """
import sys, threading, time
started, source, output, background, device = float(sys.argv[1]), *sys.argv[2:]
from streamseg.pipelines import VideoJob
job = VideoJob(source, output, background, duration=0.5, device=device)
thread = threading.Thread(target=job.run, daemon=True)
thread.start()
while job.newest is None and thread.is_alive():
    time.sleep(0.002)
print(time.time() - started if job.newest is not None else "none")
job.stop()
thread.join()
"""


def cold_start_seconds(source: str, background: str, device: str = "cpu") -> float:
    """Seconds, the median of three processes; the first one may have to read files from the disk.

    Raises:
        StreamsegError: no frame was written.
    """
    with tempfile.TemporaryDirectory(prefix="streamseg-start-") as folder:
        return median(_one_run(source, background, Path(folder) / f"{run}.mp4", device) for run in range(_RUNS))


def _one_run(source: str, background: str, output: Path, device: str) -> float:
    # -P: the current folder may have a folder named streamseg in it, as the root of the repository has.
    command = [sys.executable, "-P", "-c", _CHILD, str(time.time()), source, str(output), background, device]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return float(process.stdout.split()[0])
    except (IndexError, ValueError):
        reason = process.stderr.strip().splitlines() or ["no frame was written"]
        raise StreamsegError(f"{source}: the cold start could not be measured: {reason[-1]}") from None
