"""From a matte on the grid to one at the frame's size, refined at the edges, and the foreground that belongs to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streamseg.frame import Frame, Plane
from streamseg.matting.arrays import Image, halve, resize
from streamseg.matting.constants import (
    ALPHA_HIGH,
    ALPHA_LOW,
    ALPHA_TOLERANCE,
    EDGE_FIELDS,
    UNCERTAIN_HIGH,
    UNCERTAIN_LOW,
)
from streamseg.matting.edges.colours import local_colours, local_radius, refine_pixels, sample_at

__all__ = ["apply_limits", "foreground_window", "refine_edges", "upsample_alpha"]


def apply_limits(alpha: Image) -> Image:
    """``alpha`` stretched from [ALPHA_LOW, ALPHA_HIGH] to [0, 1]: float32, exactly 0 and 1 at and beyond the limits."""
    low, high = ALPHA_LOW + ALPHA_TOLERANCE, ALPHA_HIGH - ALPHA_TOLERANCE
    stretched = alpha - np.float32(low)
    stretched *= np.float32(1 / (high - low))
    return np.clip(stretched, 0, 1, out=stretched)


def upsample_alpha(alpha: Image, width: int, height: int, dtype: DTypeLike) -> NDArray[Any]:
    """``alpha`` [rows, columns] in [0, 1] as full-scale codes, uint8 or uint16 [height, width], bilinearly."""
    codes: NDArray[Any] = np.rint(resize(alpha, height, width) * np.float32(np.iinfo(np.dtype(dtype)).max))
    return codes.astype(dtype, order="C")


def refine_edges(frame: Frame, alpha: Image, codes: Plane) -> Frame:
    """Refine ``codes`` in place where alpha is uncertain; returns the frame with the foreground's own colours there.

    Args:
        frame: any planar frame.
        alpha: float32 [rows, columns] in [0, 1], of any size.
        codes: ``alpha`` upsampled to the frame's size: uint8 or uint16 [rows, columns], contiguous.
    """
    maximum = np.iinfo(codes.dtype).max
    low, high = np.ceil(np.array([UNCERTAIN_LOW, UNCERTAIN_HIGH]) * maximum).astype(int)
    uncertain = np.flatnonzero((codes >= low) & (codes < high))
    if not len(uncertain):
        return frame
    pixels = _Pixels(uncertain, frame)
    local = _local_colours(frame, halve(alpha))
    scale, flat = np.float32(maximum), codes.reshape(-1)
    at_pixels = sample_at(local, *pixels.on_grid(*local.shape[1:]))
    refined, colours = refine_pixels(flat.take(uncertain) * (1 / scale), pixels.colours(), at_pixels)
    flat[uncertain] = np.rint(refined * scale).astype(codes.dtype)
    return pixels.painted(colours)


def _local_colours(frame: Frame, alpha: Image) -> Image:
    """The local colour model on half the matte grid (colours change slowly), zero far from the foreground.

    One of the frame's pixels stands for all of a cell: that is enough for means over many cells, and unlike the mean
    of each cell it leaves the spread as it is.
    """
    radius = local_radius(*alpha.shape)
    fields = np.zeros((EDGE_FIELDS, *alpha.shape), np.float32)
    window = foreground_window(alpha, radius)
    if window is not None:
        colours = np.stack([_centre_samples(plane, alpha.shape, window) for plane in frame.planes[:3]])
        colours = colours * np.float32(1 / frame.format.maximum)
        local_colours(colours, alpha[window], radius, fields[:, *window])
    return fields


def foreground_window(alpha: Image, radius: int) -> tuple[slice, slice] | None:
    """The rows and columns of a matte within ``radius`` + 1 of any foreground; None where there is none."""
    present = alpha > 0
    if not present.any():
        return None
    return _span(np.any(present, axis=1), radius + 1), _span(np.any(present, axis=0), radius + 1)


def _span(hits: NDArray[np.bool_], margin: int) -> slice:
    """From the first hit to the last, and ``margin`` more on both sides, within the array."""
    indices = np.flatnonzero(hits)
    return slice(max(0, int(indices[0]) - margin), min(len(hits), int(indices[-1]) + 1 + margin))


def _centre_samples(plane: Plane, shape: tuple[int, ...], window: tuple[slice, slice]) -> Plane:
    """The plane's samples in the centres of some cells of a grid of that shape."""
    rows, columns = (
        (np.arange(count)[part] * size + size // 2) // count
        for part, count, size in zip(window, shape, plane.shape, strict=True)
    )
    samples: Plane = plane.take(rows, axis=0).take(columns, axis=1)
    return samples


class _Pixels:
    """Some pixels of a copy of a frame, by their indices in its flattened luma."""

    def __init__(self, indices: NDArray[np.intp], frame: Frame) -> None:
        self._frame, form = frame, frame.format
        self._planes = [plane.copy() for plane in frame.planes[:3]]
        self._rows, self._columns = np.divmod(indices, frame.width)
        chroma = (self._rows >> form.shift_y) * frame.planes[1].shape[1] + (self._columns >> form.shift_x)
        self._indices = (indices, chroma, chroma)

    def on_grid(self, rows: int, columns: int) -> tuple[Image, Image]:
        """Their positions on a grid over the frame, down and across; centres of cells are whole numbers."""
        return _on_grid(self._rows, self._frame.height, rows), _on_grid(self._columns, self._frame.width, columns)

    def colours(self) -> Image:
        """Their colours, float32 [3, pixels] in [0, 1]."""
        own = [plane.reshape(-1).take(indices) for plane, indices in zip(self._planes, self._indices, strict=True)]
        return np.stack(own) * np.float32(1 / self._frame.format.maximum)

    def painted(self, colours: Image) -> Frame:
        """The frame with these pixels in ``colours``, float32 [3, pixels]. Call once: the planes are passed on."""
        codes = np.rint(np.clip(colours, 0, 1) * np.float32(self._frame.format.maximum))
        for plane, indices, values in zip(self._planes, self._indices, codes, strict=True):
            plane.reshape(-1)[indices] = values.astype(plane.dtype)
        return replace(self._frame, planes=(*self._planes, *self._frame.planes[3:]), native=None)


def _on_grid(pixels: NDArray[np.intp], size: int, grid: int) -> Image:
    return ((pixels + 0.5) * (grid / size) - 0.5).astype(np.float32)
