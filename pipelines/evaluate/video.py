"""How good are mattes: sequences with a mask for each frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.matting.backend import best_backend
from streamseg.frame import Frame
from streamseg.matting.arrays import resize
from streamseg.matting.motion.estimate import luma_base
from streamseg.metrics import Flicker, VideoScores

from ..segmenter import Segmenter
from .ground_truth import Pairs, find_sequences
from .methods import Method, choose_methods, run
from .peers import PeerMaps, open_peers
from .progress import with_progress
from .report import Column, Report, mean_rows

__all__ = ["evaluate_video"]

_COLUMNS = (
    Column("mae", "MAE", 4),
    Column("iou", "IoU", 4),
    Column("worst_tenth_iou", "worst tenth", 4),
    Column("dtssd", "dtSSD", 2),
    Column("boundary_f_1px", "F 1px", 4),
    Column("boundary_f_3px", "F 3px", 4),
    Column("flicker", "flicker", 4),
    Column("ghost", "ghost", 5),
)


# A frame, its mask, and its matte, float32 [rows, columns] in [0, 1].
_Matted = tuple[Frame, NDArray[np.bool_], NDArray[np.float32]]


def evaluate_video(
    folder: str | Path, names: Sequence[str] | None = None, against: Sequence[str | Path] = (), **network: Any
) -> Report:
    """Measures of the methods on sequences with masks.

    Args:
        folder: a sequence (images/ and masks/, paired by stem), or a folder of such.
        names: of the methods; None for all.
        against: folders of other programs' mattes, each with a folder for each sequence (or the mattes of the only
            one), of the names of the frames and of any size.
        network: options of Segmenter.

    Raises:
        InputError: the folder's contents do not match or decode, or a frame has no matte in ``against``.
        OptionError, WeightsError: an unknown method, and as for Segmenter.
    """
    sequences = find_sequences(Path(folder))
    peers = [open_peers(against, sequence) for sequence in sequences]
    methods = choose_methods(names, Segmenter(**network))
    rows: list[dict[str, Any]] = []
    for sequence, its_peers in zip(sequences, peers, strict=True):
        sources: dict[str, Method | PeerMaps] = {**methods, **its_peers}
        for name, source in sources.items():
            title, total = f"{sequence.name}, {name}", len(sequence.paths)
            matted = _of_peer(sequence, source) if isinstance(source, PeerMaps) else _of_method(sequence, source)
            figures = _sequence_figures(with_progress(matted, "frame", title, total))
            rows.append({"sequence": sequence.name, "method": name, **figures})
    if len(sequences) > 1:
        rows += mean_rows(rows, by="method", over="sequence", columns=_COLUMNS)
    frames = sum(len(sequence.paths) for sequence in sequences)
    return Report(("sequence", "method"), _COLUMNS, rows, {"sequences": len(sequences), "frames": frames})


def _of_method(sequence: Pairs, method: Method) -> Iterator[_Matted]:
    for frame, mask, cutout in run(method, sequence.frames()):
        yield frame, mask, cutout.matte.as_float()


def _of_peer(sequence: Pairs, peer: PeerMaps) -> Iterator[_Matted]:
    for (frame, mask), (image, _) in zip(sequence.frames(), sequence.paths, strict=True):
        yield frame, mask, peer.map_of(image, frame.width, frame.height)


def _sequence_figures(matted: Iterator[_Matted]) -> dict[str, float | None]:
    scores, flicker = VideoScores(), Flicker(_flow)
    for frame, mask, alpha in matted:
        luma = luma_base(frame, best_backend().downscale)
        scores.add(alpha, mask)
        # At the resolution of the flow: detail finer than the flow's would count as flicker.
        flicker.add(np.clip(resize(alpha, *luma.shape), 0, 1), luma)
    return {**scores.results(), "flicker": flicker.result()}


def _flow(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    flow: NDArray[np.float32] = best_backend().estimate_motion(now, before).flow
    return flow
