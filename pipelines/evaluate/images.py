"""How good are saliency maps: images with masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.open_network import open_network
from streamseg.frame import Frame
from streamseg.media.images import read_image
from streamseg.metrics import PrecisionRecall
from streamseg.metrics.sod import SaliencyScores
from streamseg.network.published import published_map, stretch

from ..segmenter import Segmenter, weights_for
from .ground_truth import read_mask, read_pairs
from .methods import METHODS
from .progress import with_progress
from .report import Column, Report

__all__ = ["evaluate_images"]

_COLUMNS = (
    Column("mae", "MAE", 4),
    Column("maximum_f", "maxF", 4),
    Column("weighted_f", "Fw", 4),
    Column("s_measure", "S", 4),
    Column("e_measure", "E", 4),
    Column("relaxed_boundary_f", "relaxF", 4),
    Column("hce", "HCE", 1),
)

#: From an image to its saliency map, float32 [rows, columns] in [0, 1], of the image's size.
_Mapper = Callable[[Frame], NDArray[np.float32]]


def evaluate_images(folder: str | Path, *, stream: bool = False, **network: Any) -> tuple[Report, PrecisionRecall]:
    """Measures of tables of salient object detection, and the precision–recall curve.

    Args:
        folder: holds images/ and masks/, paired by stem.
        stream: the fixed scaling of videos; else the one of published figures (streamseg.network.published), with
            every map stretched to [0, 1] before it is measured, as the tools behind those figures do.
        network: options of Segmenter.

    Raises:
        MissingDependency: PySODMetrics is not installed.
        InputError: the folder's contents do not match or decode.
        OptionError, WeightsError: as for Segmenter.
    """
    scores, pairs = SaliencyScores(), read_pairs(Path(folder))
    mapper = _stream_map(network) if stream else _published_map(network)
    for image_path, mask_path in with_progress(pairs.paths, "image"):
        image = read_image(str(image_path))
        scores.add(mapper(image), read_mask(mask_path, image.width, image.height))
    about = {"images": len(pairs.paths), "scaling": "stream" if stream else "published"}
    return Report(("set",), _COLUMNS, [{"set": pairs.name, **scores.results()}], about), scores.curve


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
