"""From a matte on the grid to one at the frame's size, sharp at the edges, and the foreground that belongs to it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.alpha import times
from streamseg.matting.arrays import Image, halve
from streamseg.matting.edges import EDGE, LocalColours, local_colours, refine
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
    """

    def __init__(self, edges: bool = True) -> None:
        self.edges = edges
        self._enlarge, self._luma, self._chroma = PlaneScaler(), PlaneScaler(), PlaneScaler()

    def __call__(self, frame: Frame, alpha: Image) -> Cutout:
        """Cut the subject out.

        Args:
            frame: any planar frame.
            alpha: float32 [rows, columns] in [0, 1], of any size.
        """
        dtype = np.uint8 if frame.format.depth == 8 else np.uint16
        alpha = np.clip((alpha - np.float32(_CLEAR)) * np.float32(1 / (_SOLID - _CLEAR)), 0, 1)
        codes = np.rint(alpha * np.float32(np.iinfo(dtype).max)).astype(dtype)
        matte = Matte(self._enlarge(codes, frame.width, frame.height))
        if self.edges:
            frame, matte = self._sharpened(frame, alpha, matte)
        return Cutout(frame, times(matte, frame.planes[3], frame.format.depth) if frame.format.alpha else matte)

    def _sharpened(self, frame: Frame, alpha: Image, matte: Matte) -> tuple[Frame, Matte]:
        maximum = matte.maximum
        band = np.flatnonzero((matte.alpha > EDGE[0] * maximum) & (matte.alpha < EDGE[1] * maximum))
        if not len(band):
            return frame, matte
        rows, columns = np.divmod(band, frame.width)
        local = self._local(frame, alpha)
        positions = _Positions(rows, columns, frame, local.trust.shape)
        difference, trust = positions.sample(local.difference), positions.sample(local.trust)
        own = positions.colours(frame)
        before: Image = matte.alpha.ravel()[band].astype(np.float32) / np.float32(maximum)
        after = refine(before, own, difference, positions.sample(local.offset), positions.sample(local.scale), trust)
        codes = matte.alpha.copy()
        codes.reshape(-1)[band] = np.rint(after * np.float32(maximum)).astype(codes.dtype)
        own += difference * ((1 - after) * trust)
        return positions.painted(frame, own), Matte(codes)

    def _local(self, frame: Frame, alpha: Image) -> LocalColours:
        """The colours around, on half the grid: they change slowly."""
        alpha = halve(alpha)
        rows, columns = alpha.shape
        scalers = (self._luma, self._chroma, self._chroma)
        planes = [scale(plane, columns, rows) for plane, scale in zip(frame.planes[:3], scalers, strict=True)]
        return local_colours(np.stack(planes) * np.float32(1 / frame.format.maximum), alpha)


def _on_grid(pixels: NDArray[np.intp], size: int, grid: int) -> tuple[NDArray[np.intp], Image]:
    """Of pixels of an axis of ``size``: the cell of a grid of ``grid`` before each, and the way to the next, 0 to 1."""
    places = pixels.astype(np.float32)
    places += np.float32(0.5)
    places *= np.float32(grid / size)
    places -= np.float32(0.5)
    np.clip(places, 0, grid - 1, out=places)
    cells = np.minimum(places.astype(np.intp), grid - 2)
    places -= cells
    return cells, places


class _Positions:
    """Some pixels of a frame, and where they lie on the grid and in the planes."""

    def __init__(self, rows: NDArray[np.intp], columns: NDArray[np.intp], frame: Frame, grid: tuple[int, ...]) -> None:
        form = frame.format
        chroma = (rows >> form.shift_y, columns >> form.shift_x)
        self._places = ((rows, columns), chroma, chroma)
        self._maximum = np.float32(form.maximum)
        top, self._down = _on_grid(rows, frame.height, grid[0])
        left, self._right = _on_grid(columns, frame.width, grid[1])
        self._corner, self._columns = top * grid[1] + left, grid[1]

    def sample(self, field: Image) -> Image:
        """``field`` [..., grid rows, grid columns] at the pixels, bilinearly: [..., pixels]."""
        flat = field.reshape(*field.shape[:-2], -1)
        upper, lower = (self._along(flat, self._corner + step) for step in (0, self._columns))
        lower -= upper
        lower *= self._down
        upper += lower
        return upper

    def _along(self, flat: Image, corner: NDArray[np.intp]) -> Image:
        near = flat.take(corner, axis=-1)
        far = flat.take(corner + 1, axis=-1)
        far -= near
        far *= self._right
        near += far
        return near

    def colours(self, frame: Frame) -> Image:
        """The pixels' own colours, float32 [3, pixels] in [0, 1]."""
        own = [plane[place] for plane, place in zip(frame.planes[:3], self._places, strict=True)]
        return np.stack(own) * (1 / self._maximum)

    def painted(self, frame: Frame, colours: Image) -> Frame:
        """The frame with these pixels in ``colours``; its other planes are its own."""
        planes: list[Plane] = []
        codes = np.rint(np.clip(colours, 0, 1) * self._maximum)
        for plane, place, values in zip(frame.planes[:3], self._places, codes, strict=True):
            painted = plane.copy()
            painted[place] = values.astype(plane.dtype)
            planes.append(painted)
        return replace(frame, planes=(*planes, *frame.planes[3:]), native=None)
