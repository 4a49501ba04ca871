"""The compiled refiner against its NumPy twin."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.device.cpu.refiner import CompiledRefiner
from streamseg.matting.edges import NumPyRefiner, local_colours


def band(rows, columns, pixels, seed=1):
    """Local colours of a random picture with an edge, and pixels all over it and a little outside."""
    rng = np.random.default_rng(seed)
    alpha = np.clip(np.linspace(-1, 2, columns, dtype=np.float32) + np.zeros((rows, 1), np.float32), 0, 1)
    local = local_colours(rng.random((3, rows, columns), np.float32), alpha, 2)
    down, across = (rng.uniform(-0.5, size - 0.5, pixels).astype(np.float32) for size in (rows, columns))
    return local, down, across, rng.random(pixels, np.float32), rng.random((3, pixels), np.float32)


@pytest.mark.parametrize("pixels", [1, 100, 8192, 8193, 30000])
def test_bands_of_all_sizes_are_refined_as_the_twin_does(pixels):
    compiled, plain = CompiledRefiner(), NumPyRefiner()
    for shape in ((36, 64), (60, 40), (2, 2)) * 10:  # the first ones are not compiled yet
        case = band(*shape, pixels)
        for ours, theirs in zip(compiled(*case), plain(*case), strict=True):
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs).max() < 1e-3


def test_what_it_gave_stays():
    refiner, case = CompiledRefiner(), band(36, 64, 500)
    for _ in range(10):  # the first ones are not compiled yet
        first = refiner(*case)
    kept = [array.copy() for array in first]
    refiner(*band(36, 64, 500, seed=2))
    assert all(np.array_equal(array, was) for array, was in zip(first, kept, strict=True))
