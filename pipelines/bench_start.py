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
done = threading.Thread(target=job.run, daemon=True)
done.start()
while job.newest is None and done.is_alive():
    time.sleep(0.002)
print(time.time() - started if job.newest is not None else "none")
job.stop()
done.join()
"""


def cold_start_seconds(source: str, background: str, device: str = "cpu") -> float:
    """Seconds, the median of three processes, of which the first may have had to read files from the disk.

    Raises:
        StreamsegError: no frame was written.
    """
    with tempfile.TemporaryDirectory(prefix="streamseg-start-") as folder:
        return median(_once(source, background, Path(folder) / f"{run}.mp4", device) for run in range(_RUNS))


def _once(source: str, background: str, output: Path, device: str) -> float:
    # -P: where the user stands may be a folder named streamseg, as in the root of the repository.
    command = [sys.executable, "-P", "-c", _CHILD, str(time.time()), source, str(output), background, device]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return float(done.stdout.split()[0])
    except (IndexError, ValueError):
        reason = done.stderr.strip().splitlines() or ["nothing was written"]
        raise StreamsegError(f"{source}: no cold start could be measured: {reason[-1]}") from None
