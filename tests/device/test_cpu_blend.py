"""The compiled over operator against its NumPy twin, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.device.cpu.blend import CompiledBlend
from streamseg.matting.composite import blend


def test_eight_bits_for_every_alpha_and_pair_of_levels():
    levels = np.arange(256, dtype=np.uint8)
    foreground, alpha = (np.ascontiguousarray(array) for array in np.meshgrid(levels, levels))
    over, out, expected = CompiledBlend(), np.empty((256, 256), np.uint8), np.empty((256, 256), np.uint8)
    for level in levels:
        background = np.full((256, 256), level)
        over(foreground, background, alpha, out)
        blend(foreground, background, alpha, expected)
        assert np.array_equal(out, expected), level


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("padding", [0, 7])
def test_planes_with_padded_rows_and_of_several_sizes(dtype, padding):
    """Padding is left alone."""
    rng, over = np.random.default_rng(1), CompiledBlend()
    top = int(np.iinfo(dtype).max)
    for rows, columns in ((33, 50), (17, 21), (1, 1)) * 10:  # the first ones are not compiled yet
        wide = [rng.integers(0, top + 1, (rows, columns + padding), dtype) for _ in range(4)]
        foreground, background, alpha, out = (plane[:, :columns] for plane in wide)
        after, expected = wide[3][:, columns:].copy(), np.empty((rows, columns), dtype)
        over(foreground, background, alpha, out)
        blend(foreground, background, alpha, expected)
        assert np.array_equal(out, expected)
        assert np.array_equal(wide[3][:, columns:], after)


def test_planes_that_must_not_be_written_are_read():
    planes = [np.full((8, 8), value, np.uint8) for value in (200, 100, 255)]
    for plane in planes:
        plane.flags.writeable = False
    out = np.empty((8, 8), np.uint8)
    over = CompiledBlend()
    for _ in range(10):  # the first ones are not compiled yet
        over(*planes, out)
    assert np.all(out == 200)
