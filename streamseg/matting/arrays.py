"""Filters, resampling and warping of float32 images [rows, columns]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Image", "box_mean", "gradients", "halve", "resize", "sample", "warp"]

#: float32 [rows, columns], or [channels, rows, columns] where a function says so.
Image = NDArray[np.float32]


def box_mean(image: Image, radius: int) -> Image:
    """The mean of a square window of side 2·radius + 1 around each pixel of [..., rows, columns]; zero outside."""
    *channels, rows, columns = image.shape
    wide = columns + 2 * radius
    padded = np.zeros((*channels, rows + 2 * radius, wide), np.float32)
    padded[..., radius : radius + rows, radius : radius + columns] = image
    # Sums on the flat array are contiguous; what wraps around a row falls into the padding.
    down = _sums(padded.reshape(-1), radius, wide)
    across = _sums(down, radius, 1)
    result = np.empty_like(padded)
    np.multiply(across, np.float32(1 / (2 * radius + 1) ** 2), out=result.reshape(-1)[: len(across)])
    return result[..., :rows, :columns]


def _sums(flat: Image, radius: int, step: int) -> Image:
    """Sums of 2·radius + 1 values ``step`` apart, composed of sums of 1, 2, 4, … of them."""
    count = 2 * radius + 1
    size = len(flat) - 2 * radius * step
    total, done, width = flat[:size].copy(), 1, 1
    while count := count >> 1:
        flat = flat[: -width * step] + flat[width * step :]
        width *= 2
        if count & 1:
            total += flat[done * step : done * step + size]
            done += width
    return total


def halve(image: Image) -> Image:
    """The mean of each block of 2×2; a last odd row or column is left out."""
    rows, columns = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    across = image[:rows, 0:columns:2] + image[:rows, 1:columns:2]
    halved: Image = (across[0::2] + across[1::2]) * np.float32(0.25)
    return halved


def gradients(image: Image) -> Image:
    """Central differences along columns and along rows, [2, rows, columns], zero on the border."""
    slopes = np.zeros((2, *image.shape), np.float32)
    np.subtract(image[:, 2:], image[:, :-2], out=slopes[0, :, 1:-1])
    np.subtract(image[2:], image[:-2], out=slopes[1, 1:-1])
    slopes *= np.float32(0.5)
    return slopes


def sample(image: Image, rows: Image, columns: Image) -> Image:
    """Bilinear samples of an image [..., rows, columns] on the grid of ``rows`` × ``columns`` positions.

    Positions are in pixels, pixel centres whole numbers; positions outside are moved to the border.
    """
    top, down = _neighbours(rows, image.shape[-2])
    left, right = _neighbours(columns, image.shape[-1])
    lines = image[..., top, :]
    lines += down[:, None] * (image[..., np.minimum(top + 1, image.shape[-2] - 1), :] - lines)
    points = lines[..., left]
    points += right * (lines[..., np.minimum(left + 1, image.shape[-1] - 1)] - points)
    return points


def _neighbours(positions: Image, size: int) -> tuple[NDArray[np.intp], Image]:
    """The pixel before each position, clipped to the image, and the fraction of the way to the next."""
    inside = np.clip(positions, 0, size - 1).astype(np.float32)
    low = inside.astype(np.intp)
    return low, inside - low.astype(np.float32)


def resize(image: Image, rows: int, columns: int) -> Image:
    """``image`` [..., rows, columns] at another size: bilinear, half-pixel centres, edges repeated."""
    if image.shape[-2:] == (rows, columns):
        return image
    return sample(image, _centres(rows, image.shape[-2]), _centres(columns, image.shape[-1]))


def _centres(count: int, size: int) -> Image:
    centres: Image = ((np.arange(count) + 0.5) * (size / count) - 0.5).astype(np.float32)
    return centres


def warp(images: Image, flow: Image) -> Image:
    """Backward warping, bilinear: out(x) = image(x + flow(x)).

    Args:
        images: float32 [channels, rows, columns].
        flow: float32 [2, rows, columns], across and down in pixels. Positions outside are moved to the border.
    """
    channels, rows, columns = images.shape
    x, left = _split(flow[0] + np.arange(columns, dtype=np.float32), columns)
    y, top = _split(flow[1] + np.arange(rows, dtype=np.float32)[:, None], rows)
    top *= columns
    top += left
    corner = top.astype(np.intp)
    out = np.empty((channels, *flow.shape[1:]), np.float32)
    for image, target in zip(images, out, strict=True):
        _fetch(image, corner, x, y, target)
    return out


def _split(positions: Image, size: int) -> tuple[Image, NDArray[np.int32]]:
    """The fraction (in place) and the whole part of positions on an axis of ``size``, clipped to it."""
    # Just less than the last pixel, so that every position has a next one.
    np.clip(positions, 0, np.nextafter(np.float32(size - 1), np.float32(0)), out=positions)
    low = positions.astype(np.int32)
    positions -= low
    return positions, low


def _fetch(image: Image, corner: NDArray[np.intp], x: Image, y: Image, out: Image) -> None:
    columns = image.shape[1]
    flat = np.ascontiguousarray(image).ravel()
    flat.take(corner, out=out, mode="clip")
    _lerp(out, flat[1:].take(corner), x)
    lower = flat[columns:].take(corner)
    _lerp(lower, flat[columns + 1 :].take(corner), x)
    _lerp(out, lower, y)


def _lerp(start: Image, end: Image, fraction: Image) -> None:
    """Interpolate into ``start``, in place; ``end`` is overwritten."""
    end -= start
    end *= fraction
    start += end
