"""Other outputs than a composite: the frame with its matte as alpha, and the matte as a grey image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamseg.frame import Colour, Frame, Matte, PixelFormat
from streamseg.matting.compositing.alpha import alpha_at_depth
from streamseg.media.pixels.native import allocate, native_of, wrap
from streamseg.media.pixels.scale import to_format

__all__ = ["cut_out", "grey_levels", "show_matte"]


def cut_out(frame: Frame, matte: Matte, pixel_format: PixelFormat) -> Frame:
    """The frame with its matte as straight alpha, in ``pixel_format`` (one with alpha).

    Alpha is straight: the colours are the frame's everywhere, also where alpha is 0, so no edge gets a dark fringe.
    """
    if frame.format == pixel_format:
        frame = replace(frame, native=None)  # the alpha is written below: never into the decoder's memory
    native = native_of(frame)
    converted = to_format(native, pixel_format, frame.width, frame.height, frame.colour, frame.colour)
    out = wrap(converted, frame.pts, frame.time_base, frame.colour, frame.sample_aspect_ratio)
    out.planes[3][:] = alpha_at_depth(matte.alpha, pixel_format.depth)
    return out


def show_matte(frame: Frame, matte: Matte) -> Frame:
    """The matte as a grey frame: black is background, white is foreground."""
    out = allocate(frame, frame.format.opaque())
    low, high, grey = grey_levels(frame.format, frame.colour)
    largest = matte.maximum
    table = np.rint(low + np.arange(largest + 1) * ((high - low) / largest)).astype(frame.format.dtype)
    levels = table[matte.alpha]
    for plane in out.planes:
        plane[:] = levels if plane is out.planes[0] or frame.format.rgb else grey
    return out


def grey_levels(pixel_format: PixelFormat, colour: Colour) -> tuple[int, int, int]:
    """Code values of black, of white, and of neutral chroma."""
    scale = 1 << (pixel_format.depth - 8)
    low, high = (0, pixel_format.maximum) if colour.full_range else (16 * scale, 235 * scale)
    return low, high, 128 * scale
