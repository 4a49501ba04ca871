"""Fixtures for writers."""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np
import pytest

from streamseg.frame import PixelFormat
from streamseg.media.pixels.native import plane_views
from streamseg.media.writing.target import Encoding

_QUICK = {"out.webm": Encoding(crf=4, preset="8")}


@pytest.fixture
def quick_encoding() -> Callable[[str], Encoding]:
    """A fast encoding of high quality for an output's name."""
    return lambda name: _QUICK.get(name, Encoding(crf=1, preset="ultrafast"))


@pytest.fixture
def orange() -> Callable[[int, int, int, str], av.VideoFrame]:
    """A ``draw`` for make_clip: flat orange planes, (220, 120, 30) in sRGB."""

    def draw(_index: int, width: int, height: int, name: str) -> av.VideoFrame:
        rgb = av.VideoFrame.from_ndarray(np.full((16, 16, 3), (220, 120, 30), np.uint8), "rgb24")
        patch = rgb.reformat(format=name, dst_colorspace=5, src_color_range=2, dst_color_range=1)
        native, planar = av.VideoFrame(width, height, name), PixelFormat.parse(name)
        for target, source in zip(plane_views(native, planar), plane_views(patch, planar), strict=True):
            target[:] = source[4, 4]
        return native

    return draw
