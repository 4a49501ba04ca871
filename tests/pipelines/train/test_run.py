"""A run as a user sees it: what it leaves, what it refuses, and that being killed does it no harm."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from streamseg.network.weights import read_weights

Main = Callable[..., tuple[int, str]]
Command = Callable[..., list[str]]

SMALL = ("--sizes", 32, "--batch", 2, "--threads", 1, "--device", "cpu")


def scratch(discs: Path, steps: int) -> tuple[object, ...]:
    return ("--pairs", discs, *SMALL, "--steps", steps, "--save-every", 3, "--average", 0.9)


def curve(folder: Path) -> list[tuple[str, ...]]:
    """Step, size, losses and rate of each row; seconds differ from run to run."""
    return [tuple(row[:5]) for row in csv.reader((folder / "log.csv").read_text(encoding="utf-8").splitlines())]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, discs: Path, main: Main) -> Path:
    """A run of 8 steps from scratch that nothing came in the way of."""
    out = tmp_path_factory.mktemp("run") / "whole"
    assert main(out, *validated(discs)) == (0, "")
    return out


def test_a_run_leaves_weights_logs_samples_and_a_card(whole: Path) -> None:
    assert read_weights(whole / "last.safetensors").model == "u2netp"
    assert read_weights(whole / "best.safetensors").model == "u2netp"
    assert [row[0] for row in curve(whole)] == ["step", *map(str, range(1, 9))]
    rows = list(csv.DictReader((whole / "validation.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["step"], row["name"], row["size"]) for row in rows] == [("4", "discs", "32"), ("8", "discs", "32")]
    assert json.loads((whole / "settings.json").read_text(encoding="utf-8"))["steps"] == 8
    assert {path.name for path in (whole / "samples").iterdir()} >= {"training-0000004.png", "validation-0000008.png"}
    card = (whole / "MODEL_CARD.md").read_text(encoding="utf-8")
    for fact in ("8 steps", "random weights", "4 images with masks", "licence: none stated", "| 8 | discs | 32 |"):
        assert fact in card
    assert not list(whole.glob(".*partial*"))


@pytest.fixture(scope="module")
def ended(
    tmp_path_factory: pytest.TempPathFactory, discs: Path, command: Command, environment: dict[str, str]
) -> tuple[Path, Path, str, str]:
    """Two runs in a process of their own: the first is told to end, the second is killed.

    Gives both folders, and what was printed to standard output (the first one's status) and to standard error.
    """
    stopped, killed = (tmp_path_factory.mktemp("ended") / name for name in ("stopped", "killed"))
    words = command(stopped, *scratch(discs, 500), "--then", killed, *validated(discs))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, text=True, env=environment, **pipes) as running:
        for folder, number in ((stopped, signal.SIGTERM), (killed, signal.SIGKILL)):
            until(lambda log=folder / "log.csv": log.is_file() and len(curve(log.parent)) > 3)  # type: ignore[misc]
            running.send_signal(number)
        out, told = running.communicate()
    assert running.returncode == -signal.SIGKILL
    return stopped, killed, out, told


def validated(discs: Path) -> tuple[object, ...]:
    return (*scratch(discs, 8), "--validate", discs, "--validate-every", 4)


def test_a_run_that_is_killed_goes_on_to_the_same_curve_and_weights(
    whole: Path, ended: tuple[Path, Path, str, str], discs: Path, main: Main
) -> None:
    out = ended[1]
    with (out / "log.csv").open("a") as log:
        log.write("7,32,0.1,0.")  # a row that was cut short
    assert len(curve(out)) < len(curve(whole))
    assert main(out, *validated(discs), "--resume") == (0, "")
    assert curve(out) == curve(whole)
    ours, theirs = (read_weights(folder / "last.safetensors").tensors for folder in (out, whole))
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_a_signal_ends_a_run_with_a_checkpoint(ended: tuple[Path, Path, str, str]) -> None:
    out, _, status, told = ended
    assert status.split() == [str(128 + signal.SIGTERM)]
    step = curve(out)[-1][0]
    assert int(step) < 500
    assert f"stopped at step {step}; --resume goes on" in told
    assert f"- {step} steps" in (out / "MODEL_CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 1, "is not empty; --resume goes on, --overwrite begins anew"),
        (("--resume", "--rate", ".01"), 2, "other values of --rate"),
        (("--resume", "--overwrite"), 2, "give one of them"),
        (("--overwrite", "--init", "nowhere.safetensors"), 1, "nowhere.safetensors: no such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_spoils_nothing(  # type: ignore[no-untyped-def]
    whole: Path, discs: Path, words, status: int, message: str, main: Main
) -> None:
    before = (whole / "last.safetensors").read_bytes()
    code, told = main(whole, *scratch(discs, 8), *words)
    assert (code, len(told.strip().splitlines())) == (status, 1)
    assert message in told
    assert (whole / "last.safetensors").read_bytes() == before


def test_a_checkpoint_that_is_damaged_or_missing_is_named(tmp_path: Path, discs: Path, main) -> None:  # type: ignore[no-untyped-def]
    assert main(tmp_path, *scratch(discs, 2), "--resume") == (
        1,
        f"{tmp_path}: holds no checkpoint.pt: begin without --resume",
    )
    (tmp_path / "checkpoint.pt").write_bytes(b"PK nothing")
    code, told = main(tmp_path, *scratch(discs, 2), "--resume")
    assert (code, told) == (1, f"{tmp_path}/checkpoint.pt: damaged, or not a checkpoint of streamseg train")


def until(there: Callable[[], bool]) -> None:
    for _ in range(1200):
        if there():
            return
        time.sleep(0.05)
    raise AssertionError("the run never came so far")
