"""The state of a run, written whole or not at all, so that a run that was killed goes on as if it had not been."""

from __future__ import annotations

import io
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from streamseg.errors import InputError, OutputError

__all__ = ["NAME", "Checkpoint", "load_checkpoint", "save_checkpoint", "write_whole"]

#: Of the file in the run's folder.
NAME = "checkpoint.pt"

_FORMAT = 1


@dataclass
class Checkpoint:
    """All that a run needs in order to go on. No generator's state: images follow from the seed and the step.

    Attributes:
        step: steps done.
        seconds: spent on them.
        best: mean IoU of the best validation so far; below 0 before the first.
        fixed: the settings that must stay (``Settings.fixed``).
        processes: how many trained.
        model, average, optimiser: their state dicts.
    """

    step: int
    seconds: float
    best: float
    fixed: dict[str, Any]
    processes: int
    model: dict[str, Any]
    average: dict[str, Any]
    optimiser: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Put the checkpoint in the place of the one before. Raises OutputError where it cannot be written."""
    buffer = io.BytesIO()
    torch.save({"format": _FORMAT, **vars(checkpoint)}, buffer)
    write_whole(folder / NAME, buffer.getvalue())


def load_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint of a run's folder, on the CPU.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = folder / NAME
    if not path.is_file():
        raise InputError(f"{folder}: holds no {NAME}: begin without --resume")
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        if values.pop("format") != _FORMAT:
            raise InputError(f"{path}: was written by another version of streamseg: go on with that one")
        return Checkpoint(**values)
    except InputError:
        raise
    except Exception:  # torch lets through whatever its unpickler and zip reader raise
        raise InputError(f"{path}: damaged, or not a checkpoint of streamseg train") from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a hidden name, and give it its own once it is on the disk.

    Raises:
        OutputError: it cannot be written.
    """
    hidden = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")
    try:
        with hidden.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        hidden.replace(path)
    except OSError as error:
        hidden.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
