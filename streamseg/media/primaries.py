"""Colours of images whose file names their primaries by code points: nclx in AVIF and HEIC, cICP in PNG."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import StreamsegWarning
from streamseg.frame import Colour, Frame

__all__ = ["named_to_srgb"]

# ITU-T H.273, table 2: x and y of red, green and blue; white is D65 in all of them.
_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_WHITE = (0.3127, 0.3290)
# Television and computer images look alike on a screen, so BT.709's transfer counts as sRGB's.
_GAMMAS, _LINEAR, _HDR = {4: 2.2, 5: 2.8}, 8, {16: "PQ", 18: "HLG"}
# Steps of the table that brings linear light back to code values.
_STEPS = 1 << 16
# Standard definition's primaries are no different to the eye, and files name them by mistake.
_ALIKE = (1, 2, 5, 6, 7)


def named_to_srgb(frame: Frame, colour: Colour, path: str) -> Frame:
    """An image in sRGB, by primaries and transfer as its file names them; unchanged where they are sRGB's or unknown.

    HDR images (PQ, HLG) stay as they are: a StreamsegWarning says so.

    Args:
        frame: gbrp or gbrap, 8 or 16 bits.
        colour: as decoded.
        path: the file.
    """
    if colour.transfer in _HDR:
        kind = _HDR[colour.transfer]
        warnings.warn(
            f"{path}: is an HDR image ({kind}), whose colours stay as they are", StreamsegWarning, stacklevel=2
        )
        return frame
    same_transfer = colour.transfer not in _GAMMAS and colour.transfer != _LINEAR
    if (colour.primaries in _ALIKE or colour.primaries not in _PRIMARIES) and same_transfer:
        return frame
    largest = frame.format.maximum
    light = _light(np.arange(largest + 1) / largest, colour.transfer).astype(np.float32)
    rgb = np.stack([light[frame.planes[k]] for k in (2, 0, 1)], axis=-1)
    own = _PRIMARIES.get(colour.primaries, _PRIMARIES[1])
    to_srgb = (np.linalg.inv(_to_xyz(_PRIMARIES[1])) @ _to_xyz(own)).astype(np.float32)
    steps = np.rint(np.clip(rgb @ to_srgb.T, 0, 1) * (_STEPS - 1)).astype(np.uint16)
    codes = np.rint(_srgb(np.arange(_STEPS) / (_STEPS - 1)) * largest).astype(frame.planes[0].dtype)[steps]
    planes = tuple(np.ascontiguousarray(codes[..., k]) for k in (1, 2, 0))
    return replace(frame, planes=(*planes, *frame.planes[3:]), native=None)


def _light(values: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Linear light of code values in [0, 1]."""
    if transfer == _LINEAR:
        return values
    if transfer in _GAMMAS:
        return np.asarray(values ** _GAMMAS[transfer])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _srgb(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Code values of sRGB (IEC 61966-2-1) in [0, 1]."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> NDArray[Any]:
    """The matrix from linear RGB with these primaries to XYZ (SMPTE RP 177)."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    x, y = _WHITE
    return columns * np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y]))
