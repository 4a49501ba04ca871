"""Two processes by torchrun, joined by gloo, give the weights of one with twice the batch."""

from __future__ import annotations

import runpy
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not torch.distributed.is_available():
    pytest.skip("this torch has no torch.distributed", allow_module_level=True)

from streamseg.network.weights import read_weights  # noqa: E402

SMALL = ("--sizes", 32, "--steps", 2, "--threads", 1, "--device", "cpu", "--quiet", "--no-augment", "--average", 0)


# In float32 the gradients of a random network of this depth are noise by some per cent; in float64 they are not.
SCRATCH = """
import sys, torch
from streamseg.network.architecture import U2NETP
from streamseg.pipelines.train.distributed import joined, synchronise
from streamseg.pipelines.train.network import from_random
torch.set_num_threads(1)
with joined("cpu") as processes:
    model = from_random(U2NETP, 0).double()
    synchronise(model, processes)
    shared = processes.wrap(model)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3)
    torch.manual_seed(0)
    images, masks = torch.rand(4, 3, 32, 32).double(), torch.rand(4, 1, 32, 32).round().double()
    mine = slice(processes.rank, None, processes.count)
    for _ in range(2):
        optimiser.zero_grad()
        losses = [torch.nn.functional.binary_cross_entropy_with_logits(m, masks[mine]) for m in shared(images[mine])]
        sum(losses).backward()
        optimiser.step()
    if processes.first:
        torch.save(model.state_dict(), sys.argv[1])
"""


@pytest.fixture(scope="module")
def torchrun(environment: dict[str, str]) -> Callable[..., None]:
    """Runs a script in two processes."""

    def run(*words: object) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
        command += map(str, words)
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment)
        assert done.returncode == 0, done.stderr

    return run


def test_from_scratch_two_processes_are_one_with_twice_the_batch(tmp_path: Path, monkeypatch, torchrun) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "scratch.py"
    path.write_text(SCRATCH)
    monkeypatch.setattr(sys, "argv", [str(path), str(tmp_path / "1.pt")])
    runpy.run_path(str(path))
    torchrun(path, tmp_path / "2.pt")
    one, two = (torch.load(tmp_path / f"{count}.pt") for count in (1, 2))
    for name, values in one.items():
        torch.testing.assert_close(two[name], values, atol=1e-6, rtol=1e-6)


def test_two_processes_give_the_weights_of_one_with_twice_the_batch(  # type: ignore[no-untyped-def]
    tmp_path: Path, discs: Path, main, script: Path, torchrun
) -> None:
    schedule = ("--init", "published", "--people", discs, *SMALL)
    assert main(tmp_path / "one", *schedule, "--batch", 4) == (0, "")
    torchrun(script, tmp_path / "two", *schedule, "--batch", 2)
    one, two = (read_weights(tmp_path / name / "last.safetensors").tensors for name in ("one", "two"))
    assert max(np.abs(one[name] - two[name]).max() / max(np.abs(one[name]).max(), 1) for name in one) < 1e-4
    logs = [(tmp_path / name / "log.csv").read_text(encoding="utf-8").splitlines() for name in ("one", "two")]
    assert len(logs[0]) == len(logs[1]) == 3
