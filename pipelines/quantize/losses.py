"""What quantisation lost, on images that were held back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.network import CPUNetwork
from streamseg.device.cpu.open_network import open_network
from streamseg.media.images import IMAGE_SUFFIXES
from streamseg.metrics import iou, mae
from streamseg.metrics.arrays import Means
from streamseg.network.architecture import Variant
from streamseg.network.published import resize
from streamseg.network.quantised import QuantisedWeights
from streamseg.network.weights import Weights

from ..evaluate.progress import with_progress
from ..evaluate.report import Column, Report
from ..train.images import read_mask, read_rgb

__all__ = ["measure_losses"]

_DIFFERENCES = (Column("mean_difference", "mean |Δ|", 4), Column("largest_difference", "max |Δ|", 3))
_QUALITY = (
    Column("iou_float32", "IoU float32", 4),
    Column("iou_int8", "int8", 4),
    Column("mae_float32", "MAE float32", 4),
    Column("mae_int8", "int8", 4),
)


def measure_losses(
    floats: Weights, quantised: QuantisedWeights, paths: Sequence[Path], sizes: Sequence[int], threads: int | None
) -> Report:
    """Maps of both networks compared, and both with masks where there are some, at each size and in both variants.

    Args:
        floats: the weights that ``quantised`` were made of.
        quantised: the same in 8 bits.
        paths: of images. The mask of DIR/images/NAME.jpg is DIR/masks/NAME and any suffix; white is foreground.
        sizes: sides of the input in pixels.
        threads: CPU threads; None for as many as there are cores.

    Raises:
        InputError: an image or a mask does not decode, or a mask has another size than its image.
    """
    masks = {path: mask_of(path) for path in paths}
    rows, columns = [], _DIFFERENCES + (_QUALITY if any(masks.values()) else ())
    for size in sizes:
        for variant in get_args(Variant):
            networks = [open_network(weights, size, threads, variant=variant) for weights in (floats, quantised)]
            title = f"measuring at {size}, {variant}"
            means, largest = Means(*(column.key for column in columns)), 0.0
            for path in with_progress(paths, "image", title):
                figures = dict(_figures(networks, path, masks[path], size))
                means.add(**figures)
                largest = max(largest, figures["largest_difference"])
            rows.append({"input": size, "variant": variant, **means.results(), "largest_difference": largest})
    about = {"images": len(paths), "with masks": sum(mask is not None for mask in masks.values())}
    return Report(("input", "variant"), columns, rows, about)


def _figures(networks: list[CPUNetwork], path: Path, mask: Path | None, size: int) -> Iterator[tuple[str, float]]:
    rgb = read_rgb(path)
    small = np.rint(255 * resize(rgb.astype(np.float32) / np.float32(255), (size, size), True)).astype(np.uint8)
    maps = [network(np.ascontiguousarray(small)) for network in networks]
    difference = np.abs(maps[0] - maps[1])
    yield "mean_difference", float(difference.mean())
    yield "largest_difference", float(difference.max())
    if mask is None:
        return
    truth = read_mask(mask, rgb.shape[:2]) > 127
    for name, saliency in zip(("float32", "int8"), maps, strict=True):
        alpha = np.clip(_upscaled(saliency, truth.shape), 0, 1)
        yield f"iou_{name}", iou(alpha, truth)
        yield f"mae_{name}", mae(alpha, truth)


def _upscaled(saliency: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[Any]:
    return resize(saliency, (shape[0], shape[1]), antialias=True)


def mask_of(image: Path) -> Path | None:
    """The file of the same stem in masks/ beside the image's folder; None where there is none."""
    folder = image.parent.parent / "masks"
    paths = (folder / f"{image.stem}{suffix}" for suffix in IMAGE_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)
