"""What a run leaves in its folder: logs as CSV, sample images, weights and the model card."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor

from streamseg.errors import OutputError
from streamseg.network.weights import Weights

from .checkpoint import NAME, write_whole
from .settings import Settings
from .validation import Sample, Score

__all__ = ["BEST", "LAST", "Record", "Step"]

#: Weights, averaged and folded: the newest ones, and those of the best validation.
LAST, BEST = "last.safetensors", "best.safetensors"

_LOG, _VALIDATION, _SETTINGS, _CARD, _SAMPLES = (
    "log.csv",
    "validation.csv",
    "settings.json",
    "MODEL_CARD.md",
    "samples",
)
_LOG_COLUMNS = ("step", "size", "loss", "fused_loss", "rate", "seconds")
_VALIDATION_COLUMNS = ("step", *(field.name for field in fields(Score)))
# Side of a sample image, in pixels.
_TILE = 160

Step = tuple[int, int, float, float, float, float]
"""step, size of the input, the loss, that of the fused map, learning rate, seconds since the run began."""


class Record:
    """The folder of a run.

    Args:
        folder: made if it is not there.
        resume: whether to go on with what is in it.
        overwrite: whether files of an earlier run are replaced, once ``begin`` says so.

    Raises:
        OutputError: the folder is not empty and neither was set, or cannot be written.
    """

    def __init__(self, folder: Path, resume: bool, overwrite: bool) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            taken = any(folder.iterdir())
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written there ({error.strerror})") from error
        if taken and not (resume or overwrite):
            raise OutputError(f"{folder}: is not empty; --resume goes on, --overwrite begins anew")

    def begin(self) -> None:
        """Remove what an earlier run wrote, and nothing else: the folder may hold other things."""
        for name in (NAME, _LOG, _VALIDATION, _SETTINGS, _CARD, LAST, BEST):
            (self.folder / name).unlink(missing_ok=True)
        for path in (self.folder / _SAMPLES).glob("*-*.png"):
            path.unlink()
        self.rewind(0)

    def settings(self, settings: Settings) -> None:
        """Keep what the run was asked for, as JSON."""
        text = json.dumps(settings.as_dict(), indent=2, ensure_ascii=False)
        write_whole(self.folder / _SETTINGS, f"{text}\n".encode())

    def rewind(self, step: int) -> None:
        """Forget what was logged after ``step``, a row that was cut short included."""
        for name, columns in ((_LOG, _LOG_COLUMNS), (_VALIDATION, _VALIDATION_COLUMNS)):
            rows = self._rows(name)[1:]
            kept = [row for row in rows if len(row) == len(columns) and row[0].isdigit() and int(row[0]) <= step]
            self._write_rows(name, [columns, *kept])

    def add(self, row: Step) -> None:
        """Add a step to the log."""
        step, size, loss, fused, rate, seconds = row
        self._append(_LOG, [(step, size, f"{loss:.6f}", f"{fused:.6f}", f"{rate:.3g}", f"{seconds:.1f}")])

    def scores(self, step: int, scores: Sequence[Score]) -> None:
        """Add a validation to the log."""
        rows = [(step, *(f"{x:.5f}" if isinstance(x, float) else x for x in astuple(score))) for score in scores]
        self._append(_VALIDATION, rows)

    def samples(self, name: str, step: int, samples: Sequence[Sample]) -> None:
        """An image of rows: image, mask, map."""
        if not samples:
            return
        folder = self.folder / _SAMPLES
        folder.mkdir(exist_ok=True)
        from .images import encode_png

        sheet = torch.cat([torch.cat([_tile(part) for part in vars(sample).values()], 2) for sample in samples], 1)
        rgb = np.asarray((sheet * 255).round().byte().permute(1, 2, 0))
        write_whole(folder / f"{name}-{step:07d}.png", encode_png(rgb))

    def weights(self, name: str, weights: Weights, about: dict[str, Any]) -> None:
        """Weights as ``--weights`` takes them, with ``about`` in the header."""
        header = {key: str(value) for key, value in about.items()}
        write_whole(self.folder / name, safetensors.numpy.save(dict(weights.tensors), header))

    def card(self, settings: Settings, step: int, processes: int, data: Sequence[str]) -> None:
        """The model card, Markdown: what the weights are, what they learnt from, and how good they are.

        Args:
            settings: of the run.
            step: steps done.
            processes: how many trained.
            data: a line for each folder.
        """
        text = _card(settings, step, processes, data, self._rows(_VALIDATION))
        write_whole(self.folder / _CARD, text.encode())

    def _rows(self, name: str) -> list[list[str]]:
        path = self.folder / name
        if not path.is_file():
            return [[]]
        return [*csv.reader(io.StringIO(path.read_text(errors="replace")))] or [[]]

    def _write_rows(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        write_whole(self.folder / name, _csv(rows).encode())

    def _append(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        try:
            with (self.folder / name).open("a") as file:
                file.write(_csv(rows))
        except OSError as error:
            raise OutputError(f"{self.folder / name}: cannot be written ({error.strerror})") from error


def _csv(rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _tile(part: Tensor) -> Tensor:
    small = F.interpolate(part[None], (_TILE, _TILE), mode="bilinear", antialias=True, align_corners=False)[0]
    return small.clamp(0, 1).expand(3, -1, -1)


def _card(settings: Settings, step: int, processes: int, data: Sequence[str], scores: list[list[str]]) -> str:
    name = {"u2netp": "U²-Net†", "u2net": "U²-Net"}[settings.model]
    start = "random weights" if settings.from_scratch else f"the weights {Path(str(settings.init)).name}"
    lines = [
        f"# {name}, trained with streamseg",
        "",
        f"The network of Qin et al. 2020 (U²-Net), from {start}. Maps of saliency in [0, 1] of RGB images.",
        f"Use: `streamseg image IN OUT --model {settings.model} --weights {LAST}`; `{BEST}` is that of the best",
        "validation, where there was one.",
        "",
        "## Training",
        "",
        f"- {step:,} steps of {settings.batch * processes} images ({processes} × {settings.batch})",
        f"- inputs of {', '.join(f'{size}²' for size in settings.sizes)}",
        f"- Adam, learning rate {settings.rate:g}, {'falling along half a cosine' if settings.cosine else 'constant'}",
        f"- average of the weights: {settings.average or 'none'}; seed {settings.seed}",
        f"- colours, blur, noise and compression vary: {'yes' if settings.augment else 'no'}",
        "",
        "## Data",
        "",
        *(f"- {line}" for line in data),
        "",
        "The licence of the data may bind the weights.",
        "",
        "## Figures",
        "",
        *_table(scores),
    ]
    return "\n".join(lines) + "\n"


def _table(scores: list[list[str]]) -> list[str]:
    """The last validation, or a line that says there was none."""
    newest = [row for row in scores[1:] if row and row[0] == scores[-1][0]]
    if not newest:
        return ["Not measured: no folder was given to validate on."]
    head = ["| step | set | input | IoU | MAE | worst tenth: IoU under |", "|---|---|---|---|---|---|"]
    return head + [f"| {' | '.join(row)} |" for row in newest]
