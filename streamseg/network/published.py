"""Pre- and post-processing as published: what the authors' u2net_test.py does, so that published figures reproduce.

Source: Qin et al. 2020 and the authors' repository (RescaleT(320), ToTensorLab(flag=0), normPRED, save_output).
Every image is divided by its own maximum and every map stretched to [0, 1]. On video that flickers, and it finds a
subject in an empty room: the video pipelines do neither.

The authors' own maps are matched best by resizing without anti-aliasing and with zeros beyond the border
(scikit-image's default at the time), and by quantising the map to 8 bits before it is resized.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.network.architecture import INPUT_SIZE, MEAN, STD

__all__ = ["Network", "prepare", "published_map", "resize", "stretch"]

Array = NDArray[np.float32]
Network = Callable[[Array], Array]
"""From normalised RGB, float32 [3, S, S], to the fused map, float32 [S, S] in [0, 1]."""


def published_map(rgb: NDArray[np.uint8], network: Network, size: int = INPUT_SIZE) -> Array:
    """The map that the authors' script saves for an image.

    Args:
        rgb: uint8 RGB [H, W, 3].
        network: such as ``OpenVINONetwork(weights).saliency``.
        size: side of the network's input.

    Returns:
        float32 [H, W] in [0, 1], in steps of 1/255 as in the authors' files.

    Raises:
        InputError: ``rgb`` has another shape or type.
    """
    saliency = stretch(network(prepare(rgb, size)))
    levels = np.floor(saliency * 255)
    return np.asarray(np.rint(resize(levels, rgb.shape[:2], antialias=True)) / 255, np.float32)


def prepare(rgb: NDArray[np.uint8], size: int = INPUT_SIZE) -> Array:
    """RescaleT and ToTensorLab: from uint8 RGB [H, W, 3] to normalised float32 [3, size, size].

    Raises:
        InputError: ``rgb`` has another shape or type.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise InputError(f"image is {rgb.dtype} {rgb.shape}: expected uint8 (height, width, 3)")
    small = resize(np.asarray(rgb / 255, np.float32), (size, size), black_border=True)
    peak = small.max() or np.float32(1)  # a black image stays black; the authors divide by zero
    normalised = (small / peak - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def stretch(saliency: Array) -> Array:
    """normPRED: shift and scale a map so that it spans [0, 1]; a flat map becomes 0 (NaN in the authors' code)."""
    low, high = saliency.min(), saliency.max()
    if high == low:
        return np.zeros_like(saliency)
    return np.asarray((saliency - low) / (high - low), np.float32)


def resize(image: Array, shape: tuple[int, int], antialias: bool = False, black_border: bool = False) -> Array:
    """Bilinear resize with half-pixel centres.

    Args:
        image: float32 [H, W] or [H, W, C].
        shape: height and width of the result.
        antialias: widen the triangle filter when downscaling (Pillow's BILINEAR); else two samples per axis.
        black_border: samples beyond the border are 0 (scikit-image's ``mode="constant"``); else the edge is repeated.

    Returns:
        float32 [shape[0], shape[1]], or [shape[0], shape[1], C].
    """
    rows = _weights(image.shape[0], shape[0], antialias, black_border)
    columns = _weights(image.shape[1], shape[1], antialias, black_border)
    resized_rows = np.tensordot(rows, image, (1, 0))
    return np.asarray(np.moveaxis(np.tensordot(columns, resized_rows, (1, 1)), 0, 1), np.float32)


def _weights(source: int, target: int, antialias: bool, black_border: bool) -> Array:
    """Resampling matrix [target, source]: the weight of each source sample in each target sample."""
    scale = source / target
    width = max(scale, 1.0) if antialias else 1.0
    centres = (np.arange(target) + 0.5) * scale - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(source) - centres[:, None]) / width)
    if not black_border:
        weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)
