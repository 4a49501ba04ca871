"""Small tools on float32 arrays [rows, columns] that the methods of this room share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Image", "box_mean", "gradients", "halve", "resize", "sample", "warp"]

#: float32 [rows, columns], or [channels, rows, columns] where a function says so.
Image = NDArray[np.float32]


def box_mean(image: Image, radius: int) -> Image:
    """The mean of a square window of side 2·radius + 1 around each pixel of [..., rows, columns]; outside is zero."""
    *channels, rows, columns = image.shape
    wide = columns + 2 * radius
    padded = np.zeros((*channels, rows + 2 * radius, wide), np.float32)
    padded[..., radius : radius + rows, radius : radius + columns] = image
    # On the flat array every sum runs over one stretch of memory; what wraps around falls into the padding.
    down = _sums(padded.reshape(-1), radius, wide)
    across = _sums(down, radius, 1)
    result = np.empty_like(padded)
    np.multiply(across, np.float32(1 / (2 * radius + 1) ** 2), out=result.reshape(-1)[: len(across)])
    return result[..., :rows, :columns]


def _sums(flat: Image, radius: int, step: int) -> Image:
    """Sums of 2·radius + 1 values ``step`` apart, put together from sums of 1, 2, 4, … of them."""
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
    """Bilinear samples of ``image`` at every crossing of ``rows`` and ``columns`` (pixel centres are whole numbers)."""
    top, down = _neighbours(rows, image.shape[-2])
    left, right = _neighbours(columns, image.shape[-1])
    lines = image[..., top, :]
    lines += down[:, None] * (image[..., np.minimum(top + 1, image.shape[-2] - 1), :] - lines)
    points = lines[..., left]
    points += right * (lines[..., np.minimum(left + 1, image.shape[-1] - 1)] - points)
    return points


def _neighbours(positions: Image, size: int) -> tuple[NDArray[np.intp], Image]:
    """The whole number below each position inside the image, and the rest."""
    inside = np.clip(positions, 0, size - 1).astype(np.float32)
    low = inside.astype(np.intp)
    return low, inside - low.astype(np.float32)


def resize(image: Image, rows: int, columns: int) -> Image:
    """``image`` [..., rows, columns] bilinearly at another size, its edges where they were."""
    if image.shape[-2:] == (rows, columns):
        return image
    return sample(image, _centres(rows, image.shape[-2]), _centres(columns, image.shape[-1]))


def _centres(count: int, size: int) -> Image:
    centres: Image = ((np.arange(count) + 0.5) * (size / count) - 0.5).astype(np.float32)
    return centres


def warp(images: Image, flow: Image) -> Image:
    """``images`` [channels, rows, columns] fetched along ``flow``, bilinearly: out(x) = image(x + flow(x)).

    Args:
        images: float32, any number of channels.
        flow: float32 [2, rows, columns], across and down in pixels. What points outside meets the border.
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


def _split(places: Image, size: int) -> tuple[Image, NDArray[np.int32]]:
    """In place: the whole number below each place, inside of an axis of ``size``, and what is left, up to 1."""
    # A hair less than the last pixel, so that there is a next one.
    np.clip(places, 0, np.nextafter(np.float32(size - 1), np.float32(0)), out=places)
    low = places.astype(np.int32)
    places -= low
    return places, low


def _fetch(image: Image, corner: NDArray[np.intp], x: Image, y: Image, out: Image) -> None:
    columns = image.shape[1]
    flat = np.ascontiguousarray(image).ravel()
    flat.take(corner, out=out, mode="clip")
    _approach(out, flat[1:].take(corner), x)
    lower = flat[columns:].take(corner)
    _approach(lower, flat[columns + 1 :].take(corner), x)
    _approach(out, lower, y)


def _approach(here: Image, there: Image, way: Image) -> None:
    """Move ``here`` that much of the way; ``there`` is spent."""
    there -= here
    there *= way
    here += there
