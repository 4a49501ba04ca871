"""The colours of the subject and of everything else, remembered over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame
from streamseg.matting.arrays import Image, box_mean
from streamseg.matting.backend import MattingBackend

__all__ = ["Appearance", "colour_bins"]

# Bins of luma, and of each of the two colour differences around zero; these are spread over half of their range.
_LUMA_BINS, _CHROMA_BINS, _CHROMA_SPAN = 8, 16, 128.0
# Added to the shares of all bins: a colour that neither has seen says nothing.
_UNSEEN = 2e-4
# Radius in cells of the window that probabilities are averaged over.
_RADIUS = 2


def colour_bins(frame: Frame, shape: tuple[int, int], backend: MattingBackend) -> NDArray[np.int32]:
    """The bin of each cell's colour, int32 [rows, columns], on a grid of that shape."""
    rows, columns = shape
    luma, *chroma = [backend.downscale(plane, columns, rows, frame.format.maximum) for plane in frame.planes[:3]]
    if frame.format.rgb:  # G, B, R: green for luma, the others as differences to it
        chroma = [np.asarray((plane - luma) * np.float32(0.5) + np.float32(128), np.float32) for plane in chroma]
    blue, red = (_level(plane, 128 - _CHROMA_SPAN / 2, 128 + _CHROMA_SPAN / 2, _CHROMA_BINS) for plane in chroma)
    bins = (_level(luma, 0, 255, _LUMA_BINS) * _CHROMA_BINS + blue) * _CHROMA_BINS + red
    return np.asarray(bins, np.int32)


def _level(plane: Image, low: float, high: float, bins: int) -> NDArray[np.int32]:
    level = (plane - np.float32(low)) * np.float32(bins / (high - low))
    return np.clip(level, 0, bins - 1).astype(np.int32)


class Appearance:
    """Histograms of the colours of one thing; what was seen long ago counts less, but is not forgotten.

    Half of the memory is the mean of all that was seen, half a running mean with a rate of its own.
    """

    # Part of the running mean that a frame replaces.
    _RATE = 0.05

    def __init__(self) -> None:
        self._sum: Image = np.zeros(_LUMA_BINS * _CHROMA_BINS**2, np.float32)
        self._recent: Image | None = None

    @property
    def known(self) -> bool:
        """Whether anything was seen."""
        return self._recent is not None

    def add(self, bins: NDArray[np.int32], weights: Image) -> None:
        """Add a frame.

        Args:
            bins: see colour_bins.
            weights: how much each cell belongs to it, float32 [rows, columns] in [0, 1].
        """
        counts = np.bincount(bins.ravel(), weights.ravel(), len(self._sum)).astype(np.float32)
        if counts.sum() < 1:
            return
        shares = _blurred(counts / counts.sum())
        self._sum += shares
        if self._recent is None:
            self._recent = shares
        else:
            self._recent += np.float32(self._RATE) * (shares - self._recent)

    def _shares(self) -> Image:
        if self._recent is None:
            return self._sum
        return np.asarray(0.5 * (self._recent + self._sum / self._sum.sum()), np.float32)

    def against(self, others: list[Appearance], bins: NDArray[np.int32]) -> Image:
        """How likely each cell's colour is of this and not of any of the others, float32 [rows, columns] in [0, 1]."""
        own = self._shares() + np.float32(_UNSEEN)
        rest = np.max([other._shares() for other in others], axis=0) + np.float32(_UNSEEN)
        return np.clip(box_mean((own / (own + rest))[bins], _RADIUS), 0, 1)


def _blurred(shares: Image) -> Image:
    """Colours change a little from frame to frame: a part of each bin goes to its neighbours."""
    cube = shares.reshape(_LUMA_BINS, _CHROMA_BINS, _CHROMA_BINS)
    for axis in range(3):
        before, after = np.roll(cube, 1, axis), np.roll(cube, -1, axis)
        cube = 0.6 * cube + 0.2 * (before + after)
    return np.asarray(cube.ravel(), np.float32)
