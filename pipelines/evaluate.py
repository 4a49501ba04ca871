"""How good are the maps and mattes: images and sequences with masks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from streamseg.device.cpu.arithmetic import best_arithmetic
from streamseg.device.cpu.open_network import open_network
from streamseg.frame import Frame
from streamseg.matting.arrays import resize
from streamseg.matting.motion import thumbnail
from streamseg.media.pictures import read_picture
from streamseg.metrics import Flicker, PrecisionRecall, VideoScores
from streamseg.metrics.sod import SaliencyScores
from streamseg.network.published import published_map, stretch

from .methods import METHODS, Method, choose_methods, run
from .report import Column, Report, mean_rows
from .segmenter import Segmenter, weights_for
from .truth import Pairs, find_sequences, read_mask, read_pairs

__all__ = ["evaluate_images", "evaluate_video", "watched"]

_IMAGES = (
    Column("mae", "MAE", 4),
    Column("maximum_f", "maxF", 4),
    Column("weighted_f", "Fw", 4),
    Column("s_measure", "S", 4),
    Column("e_measure", "E", 4),
    Column("relaxed_boundary_f", "relaxF", 4),
    Column("hce", "HCE", 1),
)
_VIDEO = (
    Column("mae", "MAE", 4),
    Column("iou", "IoU", 4),
    Column("dtssd", "dtSSD", 2),
    Column("boundary_f_1px", "F 1px", 4),
    Column("boundary_f_3px", "F 3px", 4),
    Column("flicker", "flicker", 4),
)

#: A picture to its map, float32 [rows, columns] in [0, 1], of the picture's size.
Mapper = Callable[[Frame], NDArray[np.float32]]


def evaluate_images(folder: str | Path, *, stream: bool = False, **network: Any) -> tuple[Report, PrecisionRecall]:
    """Measures of tables of salient object detection, and the precision–recall curve.

    Args:
        folder: holds images/ and masks/, paired by stem.
        stream: the fixed scaling of streams; else the way of published figures (streamseg.network.published), with
            every map stretched to [0, 1] before it is measured, as the tools behind those figures do.
        network: options of Segmenter.

    Raises:
        MissingDependency: PySODMetrics is not installed.
        InputError: the folder's contents do not match or decode.
        OptionError, WeightsError: as for Segmenter.
    """
    scores, pairs = SaliencyScores(), read_pairs(Path(folder))
    mapper = _stream_map(network) if stream else _published_map(network)
    for image, mask in watched(pairs.paths, "image"):
        picture = read_picture(str(image))
        scores.add(mapper(picture), read_mask(mask, picture.width, picture.height))
    about = {"images": len(pairs.paths), "scaling": "stream" if stream else "published"}
    return Report(("set",), _IMAGES, [{"set": pairs.name, **scores.results()}], about), scores.curve


def _published_map(options: dict[str, Any]) -> Mapper:
    if options.get("device", "cpu") != "cpu":
        device = Segmenter(**options).device
        if device.name == "cuda":
            on_card: Any = device
            return lambda picture: stretch(published_map(_rgb8(picture), on_card.published))
    weights = weights_for(options.get("model", "u2netp"), options.get("weights"), options.get("precision"))
    network = open_network(weights, threads=options.get("threads")).saliency
    return lambda picture: stretch(published_map(_rgb8(picture), network))


def _rgb8(picture: Frame) -> NDArray[np.uint8]:
    green, blue, red = picture.planes[:3]
    rgb = np.stack((red, green, blue), axis=-1)
    return (rgb >> (picture.format.depth - 8)).astype(np.uint8)


def _stream_map(options: dict[str, Any]) -> Mapper:
    method = METHODS["raw map"](Segmenter(**options))
    return lambda picture: next(method(iter([picture]))).matte.as_float()


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
        rows += mean_rows(rows, by="method", over="sequence", columns=_VIDEO)
    frames = sum(len(sequence.paths) for sequence in sequences)
    return Report(("sequence", "method"), _VIDEO, rows, {"sequences": len(sequences), "frames": frames})


def _sequence_figures(sequence: Pairs, method: Method, title: str) -> dict[str, float | None]:
    scores, flicker = VideoScores(), Flicker(_flow)
    for frame, mask, cutout in watched(run(method, sequence.frames()), "frame", title, len(sequence.paths)):
        alpha, picture = cutout.matte.as_float(), thumbnail(frame, best_arithmetic().shrink)
        scores.add(alpha, mask)
        # On the grid of the pictures that the flow is found on: finer detail than the flow's would count as flicker.
        flicker.add(np.clip(resize(alpha, *picture.shape), 0, 1), picture)
    return {**scores.results(), "flicker": flicker.result()}


def _flow(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    flow: NDArray[np.float32] = best_arithmetic().motion_between(now, before).flow
    return flow


def watched(items: Any, unit: str, title: str | None = None, total: int | None = None) -> Iterator[Any]:
    """``items``, with a bar on the terminal where there is one."""
    yield from tqdm(items, title, total, unit=unit, file=sys.stderr, disable=None, leave=False, dynamic_ncols=True)
