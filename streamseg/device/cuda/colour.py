"""From code values to R′G′B′, as one matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Colour, PixelFormat

__all__ = ["rgb_matrix"]

# Kr and Kb of ITU-T H.273, table 4, by code point; others are read as BT.601, as swscale does.
_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_BT601 = (0.299, 0.114)


def rgb_matrix(pixel_format: PixelFormat, colour: Colour, width: int, height: int) -> NDArray[np.float32]:
    """Float32 [3, 4]: R, G and B in [0, 1] from the code values of the three planes and 1 (H.273, section 8.3)."""
    if pixel_format.rgb:
        rows = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]], np.float32)  # the planes are G, B and R
        return rows / np.float32(pixel_format.maximum)
    red, blue = _LUMA_WEIGHTS.get(colour.matrix_for(width, height), _BT601)
    green = 1 - red - blue
    from_ycbcr = np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * (1 - blue) * blue / green, -2 * (1 - red) * red / green],
            [1, 2 * (1 - blue), 0],
        ]
    )
    step = 2 ** (pixel_format.depth - 8)
    if colour.full_range:
        black, luma, chroma = 0, pixel_format.maximum, pixel_format.maximum
    else:
        black, luma, chroma = 16 * step, 219 * step, 224 * step
    from_codes = from_ycbcr / np.array([luma, chroma, chroma])
    offset = -from_codes @ np.array([black, 128 * step, 128 * step])
    return np.column_stack((from_codes, offset)).astype(np.float32)
