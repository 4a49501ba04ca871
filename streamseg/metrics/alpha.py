"""Metrics of soft mattes against true alpha, in the scales of RobustVideoMatting's tables.

Lin et al. 2021, Experimental Evaluation: MAD and MSE times 10³, dtSSD times 10², Grad and Conn over 10³. Grad and Conn
are those of Rhemann et al. 2009 (A Perceptually Motivated Online Benchmark for Image Matting), over the whole frame:
video mattes have no trimap to limit them to.
"""

from __future__ import annotations

from math import ceil, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from streamseg.metrics.arrays import Floats, Mask, Means, check_like
from streamseg.metrics.ghost import ghost
from streamseg.metrics.morphology import largest_component
from streamseg.metrics.saliency import mae
from streamseg.metrics.video import dtssd

__all__ = ["AlphaScores", "conn", "grad", "mad", "mse"]

_SIGMA = 1.4
# Taps of the Gaussian's derivative below this are left out.
_SMALLEST_TAP = 1e-2
_LEVELS = 10
# Smaller differences from the connected level are ignored.
_DISCONNECTED = 0.15

Array = NDArray[np.float32]


def mad(prediction: Floats, truth: Floats) -> float:
    """Mean absolute difference, times 1000; arguments and errors as for ``mse``."""
    return 1000 * mae(prediction, truth)


def mse(prediction: Floats, truth: Floats) -> float:
    """Mean squared error, times 1000.

    Args:
        prediction, truth: floats [rows, columns] in [0, 1].

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    return 1000 * float(np.mean(np.square(prediction - truth), dtype=np.float64))


def grad(prediction: Floats, truth: Floats) -> float:
    """Squared difference of the gradients' magnitudes, summed, over 1000 (Rhemann et al. 2009).

    Both mattes are stretched to [0, 1] first, as Lin et al. do; a flat one becomes 0. Gradients are convolutions with
    the first derivatives of a Gaussian of σ = 1.4 pixels, normalised to unit norm, with edges repeated.

    Args:
        prediction, truth: floats [rows, columns] in [0, 1].

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    difference = _gradient(_stretched(prediction)) - _gradient(_stretched(truth))
    return float(np.sum(np.square(difference), dtype=np.float64)) / 1000


def _stretched(image: Floats) -> Array:
    low, high = image.min(), image.max()
    if high == low:
        return np.zeros(image.shape, np.float32)
    stretched: Array = ((image - low) / (high - low)).astype(np.float32)
    return stretched


def _gradient(image: Array) -> Array:
    """Magnitude of the gradient, [rows, columns]."""
    smooth, slope = _taps()
    across = _along_rows(_along_rows(image.T, smooth, 1).T, slope, -1)
    down = _along_rows(_along_rows(image, smooth, 1).T, slope, -1).T
    magnitude: Array = np.sqrt(across * across + down * down)
    return magnitude


def _taps() -> tuple[Array, Array]:
    """Right halves, from the centre on, of a Gaussian and of its derivative; the full kernels have unit norm."""
    radius = ceil(_SIGMA * sqrt(-2 * log(sqrt(2 * pi) * _SIGMA * _SMALLEST_TAP)))
    offsets = np.arange(-radius, radius + 1)
    gaussian = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    slope = offsets * gaussian
    halves = (taps[radius:] / np.linalg.norm(taps) for taps in (gaussian, slope))
    smooth, steep = (half.astype(np.float32) for half in halves)
    return smooth, steep


def _along_rows(image: Array, taps: Array, sign: int) -> Array:
    """``image`` filtered along its rows by a symmetric (``sign`` 1) or antisymmetric (−1) kernel."""
    radius, columns = len(taps) - 1, image.shape[1]
    padded = np.pad(image, ((0, 0), (radius, radius)), mode="edge")
    out: Array = taps[0] * padded[:, radius : radius + columns]
    combine = np.add if sign > 0 else np.subtract
    for offset in range(1, radius + 1):
        right = padded[:, radius + offset : radius + offset + columns]
        left = padded[:, radius - offset : radius - offset + columns]
        pair = combine(right, left)
        pair *= taps[offset]
        out += pair
    return out


def conn(prediction: Floats, truth: Floats) -> float:
    """Connectivity error, summed, over 1000 (Rhemann et al. 2009, there with θ = .15, p = 1).

    The level of a pixel is the highest threshold, in steps of .1, up to which it belongs to the largest 4-connected
    component of the pixels that reach the threshold in both mattes. Alpha above that level is disconnected, and counts
    from .15 on.

    Args:
        prediction, truth: floats [rows, columns] in [0, 1].

    Raises:
        InputError: other shapes, types or values.
    """
    check_like(prediction, truth)
    level = _connected_level(np.minimum(prediction, truth))
    return float(np.sum(np.abs(_excess(prediction, level) - _excess(truth, level)), dtype=np.float64)) / 1000


def _connected_level(both: Floats) -> Array:
    level = np.zeros(both.shape, np.float32)
    connected: Mask = np.ones(both.shape, np.bool_)
    for step in range(1, _LEVELS + 1):
        threshold = both.dtype.type(step / _LEVELS)
        connected &= largest_component(both >= threshold)
        if not connected.any():
            break
        level[connected] = step / _LEVELS
    return level


def _excess(image: Floats, level: Array) -> Floats:
    above = image - level
    return above * (above >= _DISCONNECTED)


class AlphaScores:
    """Means over the frames of one clip, against true alpha."""

    def __init__(self) -> None:
        self._means = Means("mad", "mse", "grad", "conn", "dtssd", "ghost")
        self._last: tuple[Floats, Floats] | None = None

    def add(self, matte: Floats, truth: Floats) -> None:
        """Add the next frame.

        Args:
            matte, truth: floats [rows, columns] in [0, 1].

        Raises:
            InputError: other shapes, types or values.
        """
        self._means.add(
            mad=mad(matte, truth),
            mse=mse(matte, truth),
            grad=grad(matte, truth),
            conn=conn(matte, truth),
            dtssd=None if self._last is None else dtssd(matte, self._last[0], truth, self._last[1]),
            ghost=ghost(matte, truth),
        )
        self._last = matte, truth

    def results(self) -> dict[str, float | None]:
        """Means over frames (dtssd: over pairs of them): mad, mse, grad, conn, dtssd, ghost."""
        return self._means.results()
