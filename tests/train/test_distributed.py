"""Two processes by torchrun, joined by gloo, give the weights of one with twice the batch."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not torch.distributed.is_available():
    pytest.skip("this torch has no torch.distributed", allow_module_level=True)

from streamseg.network.weights import read_weights  # noqa: E402

SMALL = ("--sizes", 32, "--steps", 3, "--threads", 1, "--device", "cpu", "--quiet", "--no-augment", "--average", 0)


@pytest.mark.parametrize("course", [("--pairs",), ("--init", "published", "--people")], ids=["scratch", "weights"])
def test_two_processes_give_the_weights_of_one_with_twice_the_batch(  # type: ignore[no-untyped-def]
    course: tuple[str, ...], tmp_path: Path, discs: Path, main, script: Path, environment
) -> None:
    assert main(tmp_path / "one", *course, discs, *SMALL, "--batch", 4) == (0, "")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", f"--master-port={port}"]
    words = [script, tmp_path / "two", *course, discs, *SMALL, "--batch", 2]
    done = subprocess.run([*torchrun, *map(str, words)], capture_output=True, text=True, timeout=180, env=environment)
    assert done.returncode == 0, done.stderr
    one, two = (read_weights(tmp_path / name / "last.safetensors").tensors for name in ("one", "two"))
    assert max(np.abs(one[name] - two[name]).max() / max(np.abs(one[name]).max(), 1) for name in one) < 1e-4
    logs = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("one", "two")]
    assert len(logs[0]) == len(logs[1]) == 4
