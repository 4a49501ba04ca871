"""How good are saliency maps: images with masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.open_network import open_network
from streamseg.errors import OptionError
from streamseg.frame import Frame
from streamseg.media.images import read_image
from streamseg.metrics import PrecisionRecall
from streamseg.metrics.sod import SaliencyScores
from streamseg.network.published import published_map, stretch

from ..segmenter import Segmenter, weights_for
from .ground_truth import Pairs, find_sequences, read_mask, read_pairs
from .methods import METHODS
from .peers import OURS, open_peers
from .progress import with_progress
from .report import Column, Report, mean_rows

__all__ = ["evaluate_dis", "evaluate_images"]

_COLUMNS = (
    Column("mae", "MAE", 4),
    Column("maximum_f", "maxF", 4),
    Column("weighted_f", "Fw", 4),
    Column("s_measure", "S", 4),
    Column("e_measure", "E", 4),
    Column("relaxed_boundary_f", "relaxF", 4),
    Column("hce", "HCE", 1),
    Column("iou", "IoU", 4),
    Column("worst_tenth_iou", "worst tenth", 4),
)
_DIS_COLUMNS = (
    Column("maximum_mean_f", "maxF", 3),
    Column("weighted_f", "Fw", 3),
    Column("mae", "MAE", 3),
    Column("s_measure", "S", 3),
    Column("e_measure", "E", 3),
    Column("hce", "HCE", 0),
)
# Sets whose mean papers give.
_TEST_SETS = "DIS-TE"

#: From an image to its saliency map, float32 [rows, columns] in [0, 1], of the image's size.
_Mapper = Callable[[Frame], NDArray[np.float32]]


def evaluate_images(
    folder: str | Path, *, maps: str = "published", against: Sequence[str | Path] = (), **network: Any
) -> tuple[Report, PrecisionRecall]:
    """Measures of tables of salient object detection, and the precision–recall curve of our maps.

    Args:
        folder: holds images/ and masks/, paired by stem.
        maps: "published": the network's map with the scaling of published figures (streamseg.network.published),
            stretched to [0, 1] before it is measured, as the tools behind those figures do; "stream": with the fixed
            scaling of videos; "mattes": what Segmenter gives, refined at edges and of the subject asked for.
        against: folders of other programs' maps, of the names of the images and of any size, which are measured
            likewise, and stretched for "published" alone.
        network: options of Segmenter.

    Raises:
        MissingDependency: PySODMetrics is not installed.
        InputError: the folder's contents do not match or decode, or an image has no map in ``against``.
        OptionError, WeightsError: as for Segmenter.
    """
    pairs = read_pairs(Path(folder))
    scores = _scores(pairs, maps, against, _mapper(maps, network))
    return _report(_COLUMNS, [pairs], [scores], maps), scores[OURS].curve


def evaluate_dis(
    folder: str | Path, *, maps: str = "published", against: Sequence[str | Path] = (), **network: Any
) -> Report:
    """Measures of tables of dichotomous image segmentation (Qin et al. 2022, table 2), for each set and their mean.

    The maximum F is that of the mean over images (PrecisionRecall.maximum_mean_f); E is averaged over the thresholds.
    Images may have any size; one at a time is in memory.

    Args:
        folder: a set (im/ and gt/ as in DIS5K, or images/ and masks/), or a folder of such.
        maps, against, network: see evaluate_images; ``against`` may hold a folder for each set.

    Raises:
        As evaluate_images.
    """
    sets = find_sequences(Path(folder))
    for pairs in sets:
        open_peers(against, pairs)  # before the work starts
    mapper = _mapper(maps, network)
    report = _report(_DIS_COLUMNS, sets, [_scores(pairs, maps, against, mapper) for pairs in sets], maps)
    tests = [row for row in report.rows if row["set"].startswith(_TEST_SETS)] or report.rows
    if len({row["set"] for row in tests}) > 1:
        means = mean_rows(tests, by="maps", over="set", columns=_DIS_COLUMNS)
        name = "mean" if tests is report.rows else f"mean of {_TEST_SETS}"
        report.rows.extend({**row, "set": name} for row in means)
    return report


def _report(
    columns: tuple[Column, ...], sets: Sequence[Pairs], scores: Sequence[dict[str, SaliencyScores]], maps: str
) -> Report:
    rows = []
    for pairs, by_maps in zip(sets, scores, strict=True):
        for name, of_maps in by_maps.items():
            figures = of_maps.results()
            rows.append({"set": pairs.name, "maps": name, **{column.key: figures[column.key] for column in columns}})
    about = {"images": sum(len(pairs.paths) for pairs in sets), "scaling": maps}
    return Report(("set", "maps"), columns, rows, about)


def _scores(pairs: Pairs, maps: str, against: Sequence[str | Path], mapper: _Mapper) -> dict[str, SaliencyScores]:
    """Of our maps and those of others, by name."""
    peers = open_peers(against, pairs)
    scores = {name: SaliencyScores() for name in (OURS, *peers)}
    for image_path, mask_path in with_progress(pairs.paths, "image", pairs.name):
        image = read_image(str(image_path))
        mask = read_mask(mask_path, image.width, image.height)
        scores[OURS].add(mapper(image), mask)
        for name, peer in peers.items():
            saliency = peer.map_of(image_path, image.width, image.height)
            scores[name].add(stretch(saliency) if maps == "published" else saliency, mask)
    return scores


def _mapper(maps: str, network: dict[str, Any]) -> _Mapper:
    mappers = {"published": _published_map, "stream": _stream_map, "mattes": _mattes}
    if maps not in mappers:
        raise OptionError(f"maps {maps!r}: expected {', '.join(mappers)}")
    return mappers[maps](network)


def _mattes(options: dict[str, Any]) -> _Mapper:
    segmenter = Segmenter(**options)
    return lambda image: segmenter(image).as_float()


def _published_map(options: dict[str, Any]) -> _Mapper:
    if options.get("device", "cpu") != "cpu":
        device = Segmenter(**options).device
        if device.name == "cuda":
            on_gpu: Any = device
            return lambda image: stretch(published_map(_rgb8(image), on_gpu.published))
    weights = weights_for(options.get("model", "u2netp"), options.get("weights"), options.get("precision"))
    network = open_network(weights, threads=options.get("threads")).saliency
    return lambda image: stretch(published_map(_rgb8(image), network))


def _rgb8(image: Frame) -> NDArray[np.uint8]:
    """uint8 RGB [rows, columns, 3]."""
    green, blue, red = image.planes[:3]
    rgb = np.stack((red, green, blue), axis=-1)
    return (rgb >> (image.format.depth - 8)).astype(np.uint8)


def _stream_map(options: dict[str, Any]) -> _Mapper:
    method = METHODS["raw map"](Segmenter(**options))
    return lambda image: next(method(iter([image]))).matte.as_float()
