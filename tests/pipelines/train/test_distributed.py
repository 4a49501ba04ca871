"""Two processes by torchrun, joined by gloo, give the weights of one with twice the batch."""

from __future__ import annotations

import runpy
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

SMALL = ("--sizes", 32, "--steps", 2, "--threads", 1, "--device", "cpu", "--quiet", "--no-augment", "--average", 0)
GIVEN = ("--init", "published", *SMALL)

# In float32 the gradients of a random network of this depth are noise by some per cent; in float64 they are not.
SCRATCH = """
import sys, torch
from streamseg.network.architecture import U2NETP
from streamseg.pipelines.train.distributed import joined, synchronise
from streamseg.pipelines.train.network import from_random
torch.set_num_threads(1)
target = sys.argv.pop(1)
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
        torch.save(model.state_dict(), target)
"""
# The store by which the processes found each other remembers that: for the second time they meet at another one.
ONCE_MORE = """
import os
os.environ.update(MASTER_PORT=sys.argv.pop(1), TORCHELASTIC_USE_AGENT_STORE="False")
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, discs: Path, script: Path, environment: dict[str, str]) -> Path:
    """What two processes made, each started once: from scratch (scratch.pt), and from given weights (run)."""
    folder = tmp_path_factory.mktemp("two")
    both = folder / "both.py"
    both.write_text(SCRATCH + ONCE_MORE + script.read_text(encoding="utf-8"), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        ports = [free.getsockname()[1] for free in (first, second)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={ports[0]}"]
    train = [folder / "run", *GIVEN, "--people", discs, "--batch", 2]
    command = [str(word) for word in [*torchrun, both, folder / "scratch.pt", ports[1], *train]]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=180, env=environment)
    assert done.returncode == 0, done.stderr
    return folder


def test_from_scratch_two_processes_are_one_with_twice_the_batch(two: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "scratch.py"
    path.write_text(SCRATCH, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [str(path), str(tmp_path / "scratch.pt")])
    runpy.run_path(str(path))
    mine, theirs = (torch.load(folder / "scratch.pt") for folder in (tmp_path, two))
    for name, values in mine.items():
        torch.testing.assert_close(theirs[name], values, atol=1e-6, rtol=1e-6)


def test_two_processes_give_the_weights_of_one_with_twice_the_batch(  # type: ignore[no-untyped-def]
    two: Path, tmp_path: Path, discs: Path, main
) -> None:
    assert main(tmp_path / "run", *GIVEN, "--people", discs, "--batch", 4) == (0, "")
    folders = tmp_path / "run", two / "run"
    mine, theirs = (read_weights(folder / "last.safetensors").tensors for folder in folders)
    assert max(np.abs(mine[name] - theirs[name]).max() / max(np.abs(mine[name]).max(), 1) for name in mine) < 1e-4
    logs = [(folder / "log.csv").read_text(encoding="utf-8").splitlines() for folder in folders]
    assert len(logs[0]) == len(logs[1]) == 3
