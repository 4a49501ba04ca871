"""Compositing (the over operator of Porter and Duff 1984) on the planes of a video's own Y′CbCr."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame, Matte, Plane
from streamseg.matting.compositing.alpha import subsample

__all__ = ["blend", "composite_into"]

# Rows at a time: the temporaries of a band stay in the second-level cache.
_BAND = 32


def composite_into(out: Frame, frame: Frame, matte: Matte, background: tuple[Plane, ...]) -> None:
    """Write ``frame`` over ``background`` into the planes of ``out`` (same format as ``background``).

    Where the matte is 1 the samples are the frame's own, bit for bit; where it is 0 the background's.

    Args:
        out: gets the result in its first three planes; its format is the frame's without alpha.
        frame: planar, Y′CbCr or GBR, of 8 to 16 bits.
        matte: of the frame's size.
        background: three planes of the frame's size and format.
    """
    chroma = subsample(matte.alpha, frame.format.shift_x, frame.format.shift_y)
    for plane, behind, target, alpha in zip(
        frame.planes[:3], background, out.planes, (matte.alpha, chroma, chroma), strict=False
    ):
        blend(plane, behind, alpha, target)


def blend(foreground: Plane, background: Plane, alpha: Plane, out: Plane) -> None:
    """``out`` = round(foreground · alpha + background · (1 − alpha)), exactly.

    Args:
        foreground, background, out: [rows, columns], uint8 or uint16.
        alpha: [rows, columns]; uint8 with uint8 planes, uint16 with uint16 planes, full scale.
    """
    mix = _mix8 if alpha.dtype == np.uint8 else _mix16
    maximum = np.iinfo(alpha.dtype).max
    for top in range(0, alpha.shape[0], _BAND):
        band = slice(top, top + _BAND)
        lowest, highest = alpha[band].min(), alpha[band].max()
        if highest == 0:
            out[band] = background[band]
        elif lowest == maximum:
            out[band] = foreground[band]
        else:
            _blend_band(foreground[band], background[band], alpha[band], out[band], mix)


def _blend_band(foreground: Plane, background: Plane, alpha: Plane, out: Plane, mix: Any) -> None:
    """Only the columns between the first and the last that are not pure background need arithmetic."""
    columns = np.flatnonzero(alpha.any(axis=0))
    left, right = columns[0], columns[-1] + 1
    out[:, :left], out[:, right:] = background[:, :left], background[:, right:]
    middle = np.s_[:, left:right]
    mix(foreground[middle], background[middle], alpha[middle], out[middle])


def _mix8(foreground: Plane, background: Plane, alpha: Plane, out: Plane) -> None:
    mixed: NDArray[np.uint16] = np.multiply(foreground, alpha, dtype=np.uint16)
    mixed += np.multiply(background, 255 - alpha, dtype=np.uint16)
    # x/255 rounded, for x ≤ 255²: (x + 128 + ((x + 128) >> 8)) >> 8
    mixed += 128
    mixed += mixed >> 8
    np.right_shift(mixed, 8, out=out, casting="unsafe")


def _mix16(foreground: Plane, background: Plane, alpha: Plane, out: Plane) -> None:
    mixed: NDArray[np.uint32] = np.multiply(foreground, alpha, dtype=np.uint32)
    mixed += np.multiply(background, 65535 - alpha, dtype=np.uint32)
    mixed += 32767
    np.floor_divide(mixed, 65535, out=out, casting="unsafe")
