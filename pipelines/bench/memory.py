"""Peak memory of a process that processes a file."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from streamseg.errors import StreamsegError

__all__ = ["peak_megabytes"]

_SECONDS = 4.0
# On Linux ru_maxrss starts with the size of the process that started this one; the kernel's high-water mark does not.
_CHILD = """
import resource, sys
from pathlib import Path
from streamseg.pipelines.cli import main
if status := main(sys.argv[1:]):
    sys.exit(status)
proc = Path("/proc/self/status")
if proc.exists():
    lines = proc.read_text(encoding="utf-8").splitlines()
    print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
"""


def peak_megabytes(source: str, background: str, speed: str, device: str = "cpu") -> float:
    """Peak resident megabytes of ``streamseg video`` on the first seconds of a file; later it no longer grows.

    Raises:
        StreamsegError: it failed, or this system does not report memory.
    """
    with tempfile.TemporaryDirectory(prefix="streamseg-memory-") as folder:
        options = ["--bg", background, "--speed", speed, "--device", device, "--duration", str(_SECONDS), "--quiet"]
        # -P: see streamseg.pipelines.bench.cold_start.
        command = [sys.executable, "-P", "-c", _CHILD, "video", source, str(Path(folder) / "out.mp4"), *options]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return float(process.stdout.split()[-1])
    except (IndexError, ValueError):
        reason = process.stderr.strip().splitlines() or ["no message"]
        raise StreamsegError(f"{source}: the peak memory could not be measured: {reason[-1]}") from None
