"""How good are mattes: sequences with a mask for each frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.matting.backend import best_backend
from streamseg.matting.arrays import resize
from streamseg.matting.motion.estimate import luma_base
from streamseg.metrics import Flicker, VideoScores

from ..segmenter import Segmenter
from .ground_truth import Pairs, find_sequences
from .methods import Method, choose_methods, run
from .progress import with_progress
from .report import Column, Report, mean_rows

__all__ = ["evaluate_video"]

_COLUMNS = (
    Column("mae", "MAE", 4),
    Column("iou", "IoU", 4),
    Column("dtssd", "dtSSD", 2),
    Column("boundary_f_1px", "F 1px", 4),
    Column("boundary_f_3px", "F 3px", 4),
    Column("flicker", "flicker", 4),
)


def evaluate_video(folder: str | Path, names: Sequence[str] | None = None, **network: Any) -> Report:
    """Measures of the methods on sequences with masks.

    Args:
        folder: a sequence (images/ and masks/, paired by stem), or a folder of such.
        names: of the methods; None for all.
        network: options of Segmenter.

    Raises:
        InputError: the folder's contents do not match or decode.
        OptionError, WeightsError: an unknown method, and as for Segmenter.
    """
    sequences = find_sequences(Path(folder))
    methods = choose_methods(names, Segmenter(**network))
    rows: list[dict[str, Any]] = []
    for sequence in sequences:
        for name, method in methods.items():
            figures = _sequence_figures(sequence, method, f"{sequence.name}, {name}")
            rows.append({"sequence": sequence.name, "method": name, **figures})
    if len(sequences) > 1:
        rows += mean_rows(rows, by="method", over="sequence", columns=_COLUMNS)
    frames = sum(len(sequence.paths) for sequence in sequences)
    return Report(("sequence", "method"), _COLUMNS, rows, {"sequences": len(sequences), "frames": frames})


def _sequence_figures(sequence: Pairs, method: Method, title: str) -> dict[str, float | None]:
    scores, flicker = VideoScores(), Flicker(_flow)
    for frame, mask, cutout in with_progress(run(method, sequence.frames()), "frame", title, len(sequence.paths)):
        alpha, luma = cutout.matte.as_float(), luma_base(frame, best_backend().downscale)
        scores.add(alpha, mask)
        # At the resolution of the flow: detail finer than the flow's would count as flicker.
        flicker.add(np.clip(resize(alpha, *luma.shape), 0, 1), luma)
    return {**scores.results(), "flicker": flicker.result()}


def _flow(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    flow: NDArray[np.float32] = best_backend().estimate_motion(now, before).flow
    return flow
