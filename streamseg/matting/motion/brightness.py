"""Brightness that changes from frame to frame without any motion: flicker of lamps, automatic exposure."""

from __future__ import annotations

import numpy as np

from streamseg.matting.arrays import Image, warp
from streamseg.matting.constants import BRIGHTNESS_BAND, BRIGHTNESS_DARK, BRIGHTNESS_LARGEST, BRIGHTNESS_SMALLEST

__all__ = ["may_differ", "row_gains", "with_gains"]


def may_differ(here: Image, there: Image, black: float) -> bool:
    """Whether the brightness of any band of rows has changed, by motion or without; in microseconds.

    Args:
        here, there: luma, float32 [rows, columns] in 8-bit code values.
        black: the code of black, 0 or 16.
    """
    means = [_bands(image).mean(axis=(1, 2)) - np.float32(black - BRIGHTNESS_DARK) for image in (here, there)]
    return bool(np.any(np.abs(means[0] - means[1]) > BRIGHTNESS_SMALLEST * np.abs(means[1])))


def row_gains(here: Image, there: Image, flow: Image, black: float) -> Image | None:
    """By what the rows of ``there``, moved along the flow, have become brighter; None for not at all.

    The median ratio of each band of rows: it holds where less than half of the band is not explained by the flow.

    Args:
        here, there: luma, float32 [rows, columns] in 8-bit code values.
        flow: float32 [2, rows, columns] in pixels, see streamseg.matting.motion.flow; it bears such changes, for each
            patch is compared without its mean.
        black: the code of black, 0 or 16.

    Returns:
        float32 [rows] in [0.5, 2].
    """
    now, before = (_bands(image)[:, :, ::2] for image in (here, warp(there[None], flow)[0]))
    ratios = (now - np.float32(black - BRIGHTNESS_DARK)).clip(1) / (before - np.float32(black - BRIGHTNESS_DARK)).clip(
        1
    )
    gains = np.median(ratios, axis=(1, 2)).clip(1 / BRIGHTNESS_LARGEST, BRIGHTNESS_LARGEST)
    if np.all(np.abs(gains - 1) <= BRIGHTNESS_SMALLEST):
        return None
    middles = (np.arange(len(gains)) + 0.5) * BRIGHTNESS_BAND - 0.5
    return np.asarray(np.interp(np.arange(here.shape[0]), middles, gains), np.float32)


def with_gains(image: Image, gains: Image, black: float) -> Image:
    """``image``, luma in 8-bit code values from ``black`` on, with each row brighter by its gain."""
    return (image - np.float32(black)) * gains[:, None] + np.float32(black)


def _bands(image: Image) -> Image:
    """float32 [bands, rows of one, columns]; rows below the last whole band are left out."""
    rows = image.shape[0] // BRIGHTNESS_BAND * BRIGHTNESS_BAND or image.shape[0]
    return image[:rows].reshape(-1, min(BRIGHTNESS_BAND, rows), image.shape[1])
