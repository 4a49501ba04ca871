"""Parts of frames at the frames' own size."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from streamseg.frame import Frame, PixelFormat
from streamseg.media.pixels.zoom import zoom, zoom_plane


def gradient(rows: int, columns: int, dtype: type) -> np.ndarray:
    return (2 * np.arange(columns)[None] + np.arange(rows)[:, None] + 20).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sides_may_lie_between_pixels(dtype: type) -> None:
    plane = gradient(48, 64, dtype)
    left, top, scale = 10.3, 5.6, 0.5
    zoomed = zoom_plane(plane, (left / 64, top / 48, (left + 32) / 64, (top + 24) / 48))
    y, x = np.mgrid[:48, :64]
    expected = 2 * (left + (x + 0.5) * scale - 0.5) + top + (y + 0.5) * scale - 0.5 + 20
    assert zoomed.dtype == dtype
    assert np.abs(zoomed[8:-8, 8:-8] - expected[8:-8, 8:-8]).max() <= 1.01  # rounded after rows and after columns


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "gbrp", "yuva444p12le"])
def test_every_plane_keeps_its_size_and_its_range(name: str) -> None:
    pixels = PixelFormat.parse(name)
    most = (1 << pixels.depth) - 1
    planes = tuple(np.where(gradient(*shape, np.uint16) % 16 < 8, most, 0) for shape in pixels.shapes(64, 48))
    frame = Frame(tuple(plane.astype(pixels.dtype) for plane in planes), pixels, 7, Fraction(1, 30))
    zoomed = zoom(frame, (0.25, 0.25, 0.75, 0.75))
    assert (zoomed.pts, zoomed.format, zoomed.colour) == (7, pixels, frame.colour)
    assert [plane.shape for plane in zoomed.planes] == [plane.shape for plane in frame.planes]
    assert all(plane.max() == most and plane.min() == 0 for plane in zoomed.planes)
