"""From a matte on the grid to one at the frame's size, sharp at the edges, and the foreground that belongs to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from streamseg.frame import Frame, Plane
from streamseg.matting.arrays import Image, halve, resize
from streamseg.matting.edges import EDGE, FIELDS, local_colours, local_radius, refine, sample_at
from streamseg.matting.steady import LIMITS

__all__ = ["about_subject", "enlarge", "levelled", "refine_edges"]

# The mean of clear mattes is clear up to rounding, and all that is exactly so costs nothing further on.
_HAIR = 1e-5


def levelled(alpha: Image) -> Image:
    """``alpha`` without haze: float32 in [0, 1], exactly 0 and 1 where it is nearly so."""
    clear, solid = LIMITS[0] + _HAIR, LIMITS[1] - _HAIR
    stretched = alpha - np.float32(clear)
    stretched *= np.float32(1 / (solid - clear))
    return np.clip(stretched, 0, 1, out=stretched)


def enlarge(alpha: Image, width: int, height: int, dtype: DTypeLike) -> NDArray[Any]:
    """``alpha`` [rows, columns] in [0, 1] as full-scale codes, uint8 or uint16 [height, width], bilinearly."""
    codes: NDArray[Any] = np.rint(resize(alpha, height, width) * np.float32(np.iinfo(np.dtype(dtype)).max))
    return codes.astype(dtype, order="C")


def refine_edges(frame: Frame, alpha: Image, codes: Plane) -> Frame:
    """The frame without the old background's colour; refines ``codes`` in place.

    Args:
        frame: any planar frame.
        alpha: float32 [rows, columns] in [0, 1], of any size.
        codes: ``alpha`` enlarged to the frame's size, contiguous.
    """
    low, high = np.ceil(np.array(EDGE) * np.iinfo(codes.dtype).max).astype(int)
    band = np.flatnonzero((codes >= low) & (codes < high))
    if not len(band):
        return frame
    pixels = _Pixels(band, frame)
    local = _local(frame, halve(alpha))
    maximum = np.float32(np.iinfo(codes.dtype).max)
    flat = codes.reshape(-1)
    here = sample_at(local, *pixels.on_grid(*local.shape[1:]))
    after, colours = refine(flat.take(band) * (1 / maximum), pixels.colours(), here)
    flat[band] = np.rint(after * maximum).astype(codes.dtype)
    return pixels.painted(colours)


def _local(frame: Frame, alpha: Image) -> Image:
    """The colours around, on half the grid (they change slowly), about the subject; elsewhere zero.

    One of the frame's pixels stands for all of a cell: that is enough for means over many cells, and unlike means of
    each cell it leaves the spread as it is.
    """
    radius = local_radius(*alpha.shape)
    fields = np.zeros((FIELDS, *alpha.shape), np.float32)
    about = about_subject(alpha, radius)
    if about is not None:
        colours = np.stack([_cells(plane, alpha.shape, about) for plane in frame.planes[:3]])
        colours = colours * np.float32(1 / frame.format.maximum)
        local_colours(colours, alpha[about], radius, fields[:, *about])
    return fields


def about_subject(alpha: Image, radius: int) -> tuple[slice, slice] | None:
    """The rows and columns of a matte in whose neighbourhoods the subject is; None where there is no subject."""
    there = alpha > 0
    if not there.any():
        return None
    return _span(np.any(there, axis=1), radius + 1), _span(np.any(there, axis=0), radius + 1)


def _span(hits: NDArray[np.bool_], margin: int) -> slice:
    """From the first to the last hit, and ``margin`` more on both sides where there are as many."""
    places = np.flatnonzero(hits)
    return slice(max(0, int(places[0]) - margin), min(len(hits), int(places[-1]) + 1 + margin))


def _cells(plane: Plane, shape: tuple[int, ...], about: tuple[slice, slice]) -> Plane:
    """The plane's samples in the middle of some cells of a grid."""
    rows, columns = (
        (np.arange(count)[part] * size + size // 2) // count
        for part, count, size in zip(about, shape, plane.shape, strict=True)
    )
    samples: Plane = plane.take(rows, axis=0).take(columns, axis=1)
    return samples


class _Pixels:
    """Some pixels of a copy of a frame, by their places in its flattened luma."""

    def __init__(self, band: NDArray[np.intp], frame: Frame) -> None:
        self._frame, form = frame, frame.format
        self._planes = [plane.copy() for plane in frame.planes[:3]]
        self._rows, self._columns = np.divmod(band, frame.width)
        chroma = (self._rows >> form.shift_y) * frame.planes[1].shape[1] + (self._columns >> form.shift_x)
        self._places = (band, chroma, chroma)

    def on_grid(self, rows: int, columns: int) -> tuple[Image, Image]:
        """Where they lie on a grid over the frame, down and across; centres of cells are whole numbers."""
        return _on_grid(self._rows, self._frame.height, rows), _on_grid(self._columns, self._frame.width, columns)

    def colours(self) -> Image:
        """Their colours, float32 [3, pixels] in [0, 1]."""
        own = [plane.reshape(-1).take(places) for plane, places in zip(self._planes, self._places, strict=True)]
        return np.stack(own) * np.float32(1 / self._frame.format.maximum)

    def painted(self, colours: Image) -> Frame:
        """The frame with them in ``colours``; its other planes are its own. Once only."""
        codes = np.rint(np.clip(colours, 0, 1) * np.float32(self._frame.format.maximum))
        for plane, places, values in zip(self._planes, self._places, codes, strict=True):
            plane.reshape(-1)[places] = values.astype(plane.dtype)
        return replace(self._frame, planes=(*self._planes, *self._frame.planes[3:]), native=None)


def _on_grid(pixels: NDArray[np.intp], size: int, grid: int) -> Image:
    return ((pixels + 0.5) * (grid / size) - 0.5).astype(np.float32)
