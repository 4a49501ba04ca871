"""Optical flow between images whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.motion.flow import dense_flow


def texture(rows, columns, across=0.0, down=0.0, seed=1):
    """A smooth random image, shifted right and down, also by fractions of a pixel."""
    rng = np.random.default_rng(seed)
    x, y = np.arange(columns) - across, np.arange(rows)[:, None] - down
    total = np.zeros((rows, columns))
    for length, angle, phase in zip(np.geomspace(10, 150, 40), *rng.uniform(0, 2 * np.pi, (2, 40)), strict=True):
        total += length**0.5 * np.cos((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + phase)
    return (128 + 35 * total / total.std()).astype(np.float32)


@pytest.mark.parametrize("across, down", [(1, 0), (0, -2), (0.5, 0.25), (-3.4, 2.7), (8, -5), (-12, 0), (0, 11.5)])
def test_a_shift_is_found_with_its_sign(across, down):
    """Content that lies further right and down in the second image has a flow that points right and down."""
    flow = dense_flow(texture(120, 160), texture(120, 160, across, down))
    middle = flow[:, 24:-24, 24:-24]
    error = np.hypot(middle[0] - across, middle[1] - down)
    assert error.mean() < 0.1
    assert np.quantile(error, 0.95) < 0.3


def test_two_halves_moving_apart():
    here = texture(120, 200)
    there = np.where(np.arange(200) < 100, texture(120, 200, -3), texture(120, 200, 3, 2))
    across, down = dense_flow(here, there)
    assert np.abs(across[20:-20, 20:80] + 3).mean() < 0.3
    assert np.abs(across[20:-20, 120:180] - 3).mean() < 0.3
    assert np.abs(down[20:-20, 120:180] - 2).mean() < 0.3


def test_equal_images_have_no_flow():
    image = texture(90, 120)
    assert np.abs(dense_flow(image, image)).max() < 1e-3


def test_flat_images_have_no_flow_whatever_their_brightness():
    flat = np.full((64, 80), 90, np.float32)
    assert np.abs(dense_flow(flat, flat + 100)).max() < 1e-6


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (33, 57), (16, 16), (9, 11), (179, 319)])
def test_odd_and_small_sizes(shape):
    flow = dense_flow(texture(*shape), texture(*shape, 0.5))
    assert flow.shape == (2, *shape)
    rows, columns = shape
    middle = flow[:, rows // 3 : -(rows // 3), columns // 3 : -(columns // 3)]
    assert abs(middle[0].mean() - 0.5) < 0.3
    assert abs(middle[1].mean()) < 0.3
