"""From a matte on the grid to one at the frame's size, sharp at the edges, and the foreground that belongs to it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.alpha import times
from streamseg.matting.arrays import Image, halve
from streamseg.matting.edges import EDGE, FIELDS, NumPyRefiner, Refiner, local_colours, local_radius
from streamseg.media.scale import PlaneScaler

__all__ = ["Cutout", "Sharpener"]

#: Alpha at and below the first becomes 0, at and above the second 1: what was seen now and then leaves no haze.
_CLEAR, _SOLID = 0.1, 0.95


class Cutout(NamedTuple):
    """A subject cut out of a frame.

    Attributes:
        frame: the frame; in the edges its colours are the subject's alone.
        matte: at the frame's size.
    """

    frame: Frame
    matte: Matte


class Sharpener:
    """Brings mattes to the size of frames; one object for one stream.

    Args:
        edges: refine the uncertain band and take the old background's colour out of it; else only enlarge.
        refiner: does the arithmetic of the band.
    """

    def __init__(self, edges: bool = True, refiner: Refiner | None = None) -> None:
        self.edges = edges
        self._enlarge, self._refine, self._band = PlaneScaler(rounded=False), refiner or NumPyRefiner(), _Band()

    def __call__(self, frame: Frame, alpha: Image) -> Cutout:
        """Cut the subject out.

        Args:
            frame: any planar frame.
            alpha: float32 [rows, columns] in [0, 1], of any size.
        """
        dtype = np.uint8 if frame.format.depth == 8 else np.uint16
        alpha = alpha - np.float32(_CLEAR)
        alpha *= np.float32(1 / (_SOLID - _CLEAR))
        np.clip(alpha, 0, 1, out=alpha)
        codes = alpha * np.float32(np.iinfo(dtype).max)
        codes = np.rint(codes, out=codes).astype(dtype)
        matte = Matte(np.ascontiguousarray(self._enlarge(codes, frame.width, frame.height)))
        if self.edges:
            frame = self._sharpened(frame, alpha, matte.alpha)
        return Cutout(frame, times(matte, frame.planes[3], frame.format.depth) if frame.format.alpha else matte)

    def _sharpened(self, frame: Frame, alpha: Image, codes: Plane) -> Frame:
        """Refines ``codes`` (contiguous) in place; gives the frame without the old background's colour."""
        band = self._band(codes)
        if not len(band):
            return frame
        pixels = _Pixels(band, frame)
        local = _local(frame, halve(alpha))
        maximum = np.float32(np.iinfo(codes.dtype).max)
        flat = codes.reshape(-1)
        before = flat.take(band) * (1 / maximum)
        after, colours = self._refine(local, *pixels.on_grid(*local.shape[1:]), before, pixels.colours())
        after *= maximum
        flat[band] = np.rint(after, out=after).astype(codes.dtype)
        return pixels.painted(colours)


def _local(frame: Frame, alpha: Image) -> Image:
    """The colours around, on half the grid (they change slowly), about the subject; elsewhere zero.

    One of the frame's pixels stands for all of a cell: that is enough for means over many cells, and unlike means of
    each cell it leaves the spread as it is.
    """
    radius = local_radius(*alpha.shape)
    fields = np.zeros((FIELDS, *alpha.shape), np.float32)
    if alpha.any():
        there = alpha > 0
        about = _span(np.any(there, axis=1), radius + 1), _span(np.any(there, axis=0), radius + 1)
        colours = np.stack([_cells(plane, alpha.shape, about) for plane in frame.planes[:3]])
        colours = colours * np.float32(1 / frame.format.maximum)
        local_colours(colours, alpha[about], radius, fields[:, *about])
    return fields


def _span(hits: NDArray[np.bool_], margin: int) -> slice:
    """From the first to the last hit, and ``margin`` more on both sides."""
    places = np.flatnonzero(hits)
    return slice(max(0, places[0] - margin), places[-1] + 1 + margin)


def _cells(plane: Plane, shape: tuple[int, ...], about: tuple[slice, slice]) -> Plane:
    """The plane's samples in the middle of some cells of a grid."""
    rows, columns = (
        (np.arange(count)[part] * size + size // 2) // count
        for part, count, size in zip(about, shape, plane.shape, strict=True)
    )
    samples: Plane = plane.take(rows, axis=0).take(columns, axis=1)
    return samples


class _Band:
    """Finds the uncertain pixels of mattes, by words of eight bytes: most of a matte is certain. Keeps its buffer."""

    def __init__(self) -> None:
        self._plus_one: NDArray[np.uint64] = np.empty(0, np.uint64)

    def __call__(self, codes: Plane) -> NDArray[np.intp]:
        """Their places in the flattened ``codes``, in order."""
        flat = codes.reshape(-1)
        samples = 8 // flat.itemsize
        whole = flat.size // samples * samples
        words = flat[:whole].view(np.uint64)
        some = self._mixed(words)
        among = _uncertain(words.take(some).view(flat.dtype))
        which = among >> (samples.bit_length() - 1)
        hits = some.take(which)
        # A place is samples · word + rest, where among is samples · which + rest.
        hits -= which
        hits *= samples
        hits += among
        return hits if whole == flat.size else np.concatenate((hits, whole + _uncertain(flat[whole:])))

    def _mixed(self, words: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Which are neither all zeros nor all ones; with one added those are 1 and 0."""
        if self._plus_one.size != words.size:
            self._plus_one = np.empty_like(words)
        return np.flatnonzero(np.add(words, np.uint64(1), out=self._plus_one) > 1)


def _uncertain(codes: Plane) -> NDArray[np.intp]:
    maximum = np.iinfo(codes.dtype).max
    low, high = int(EDGE[0] * maximum) + 1, int(np.ceil(EDGE[1] * maximum)) - 1
    # What is below wraps around to large codes, so that one comparison does for two.
    return np.flatnonzero(codes - codes.dtype.type(low) <= high - low)


class _Pixels:
    """Some pixels of a copy of a frame, by their places in its flattened luma."""

    def __init__(self, band: NDArray[np.intp], frame: Frame) -> None:
        self._frame, form = frame, frame.format
        # Copied before they are picked from: in order, which memory is good at, and what is picked is near then.
        self._planes = [plane.copy() for plane in frame.planes[:3]]
        self._rows = band // frame.width
        self._columns = band - self._rows * frame.width
        chroma = self._rows >> form.shift_y
        chroma *= frame.planes[1].shape[1]
        chroma += self._columns >> form.shift_x
        self._places = (band, chroma, chroma)

    def on_grid(self, rows: int, columns: int) -> tuple[Image, Image]:
        """Where they lie on a grid over the frame, down and across; centres of cells are whole numbers."""
        return _on_grid(self._rows, self._frame.height, rows), _on_grid(self._columns, self._frame.width, columns)

    def colours(self) -> Image:
        """Their colours, float32 [3, pixels] in [0, 1]."""
        own = np.empty((3, len(self._rows)), np.float32)
        for plane, places, target in zip(self._planes, self._places, own, strict=True):
            target[:] = plane.reshape(-1).take(places)
        own *= np.float32(1 / self._frame.format.maximum)
        return own

    def painted(self, colours: Image) -> Frame:
        """The frame with them in ``colours``, which are spent; its other planes are its own. Once only."""
        colours *= np.float32(self._frame.format.maximum)
        np.rint(np.clip(colours, 0, self._frame.format.maximum, out=colours), out=colours)
        for plane, places, values in zip(self._planes, self._places, colours, strict=True):
            plane.reshape(-1)[places] = values.astype(plane.dtype)
        return replace(self._frame, planes=(*self._planes, *self._frame.planes[3:]), native=None)


def _on_grid(pixels: NDArray[np.intp], size: int, grid: int) -> Image:
    places = pixels.astype(np.float32)
    places *= np.float32(grid / size)
    places += np.float32(0.5 * grid / size - 0.5)
    return places
