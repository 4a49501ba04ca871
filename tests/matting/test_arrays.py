"""Filters, resampling and warping, against slow reference code and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.matting.arrays import box_mean, gradients, halve, resize, sample, warp


def noise(*shape, seed=1):
    return np.random.default_rng(seed).random(shape, np.float32)


def slow_box_mean(image, radius):
    padded = np.pad(image.astype(np.float64), radius)
    out = np.empty(image.shape)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            out[row, column] = padded[row : row + 2 * radius + 1, column : column + 2 * radius + 1].mean()
    return out


@pytest.mark.parametrize("radius", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("shape", [(11, 14), (3, 5), (1, 1), (9, 2)])
def test_box_mean_is_the_mean_of_each_window_with_zeros_outside(shape, radius):
    images = noise(2, *shape)
    before = images.copy()
    means = box_mean(images, radius)
    assert means.shape == images.shape
    for mean, image in zip(means, images, strict=True):
        assert np.allclose(mean, slow_box_mean(image, radius), atol=1e-6)
    assert np.allclose(box_mean(images[0], radius), means[0], atol=1e-7)
    assert np.array_equal(images, before)


@pytest.mark.parametrize("shape", [(6, 8), (7, 8), (6, 9), (7, 9)])
def test_halve_gives_the_mean_of_each_2x2_block(shape):
    image = noise(*shape)
    expected = image[:6, :8].reshape(3, 2, 4, 2).mean((1, 3))
    assert np.allclose(halve(image), expected, atol=1e-6)


def test_gradients_of_a_plane_are_its_slopes_and_zero_on_the_border():
    across, down = gradients(np.add.outer(3 * np.arange(6), 2 * np.arange(8)).astype(np.float32))
    assert np.all(across[:, 1:-1] == 2)
    assert np.all(down[1:-1] == 3)
    assert not across[:, [0, -1]].any()
    assert not down[[0, -1]].any()


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (13, 7), (40, 90)])
def test_a_constant_image_stays_constant_at_every_size(size):
    assert np.allclose(resize(np.full((2, 10, 12), 0.7, np.float32), *size), np.full((2, *size), 0.7), atol=1e-6)


def test_resizing_to_twice_the_size_as_worked_by_hand():
    image = np.array([[0, 4], [8, 12]], np.float32)
    expected = [[0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12]]
    assert np.array_equal(resize(image, 4, 4), expected)
    assert np.array_equal(resize(np.stack((image, 2 * image)), 4, 4)[1], 2 * np.array(expected))


@pytest.mark.parametrize("columns", [25, 64, 100])
def test_positions_are_kept_when_resized(columns):
    positions = ((np.arange(50) + 0.5) / 50).astype(np.float32)
    resized = resize(np.broadcast_to(positions, (4, 50)), 4, columns)
    expected = (np.arange(columns) + 0.5) / columns
    inside = slice(2, -2)
    assert np.allclose(resized[:, inside], np.broadcast_to(expected, (4, columns))[:, inside], atol=1e-5)


def test_samples_at_pixels_between_pixels_and_outside():
    image = noise(3, 6, 5)
    before = image.copy()
    rows, columns = np.array([4, 0, 5], np.float32), np.array([1, 4], np.float32)
    assert np.array_equal(sample(image, rows, columns), image[:, [4, 0, 5]][:, :, [1, 4]])
    between = sample(image, np.array([2.5], np.float32), np.array([3.5], np.float32))[:, 0, 0]
    assert np.allclose(between, image[:, 2:4, 3:5].mean((1, 2)), atol=1e-6)
    outside = sample(image, np.array([-3, 9], np.float32), np.array([-1, 7], np.float32))
    assert np.array_equal(outside, image[:, [0, -1]][:, :, [0, -1]])
    assert np.array_equal(image, before)


def constant_flow(across, down, shape):
    return np.broadcast_to(np.array([across, down], np.float32)[:, None, None], (2, *shape))


@pytest.mark.parametrize("across, down", [(0, 0), (3, -2), (-4, 1), (100, 0), (0, -100)])
def test_a_warp_by_whole_pixels_is_exact_and_clamped_to_the_border(across, down):
    images = noise(3, 9, 12)
    rows = np.clip(np.arange(9) + down, 0, 8)
    columns = np.clip(np.arange(12) + across, 0, 11)
    assert np.allclose(warp(images, constant_flow(across, down, (9, 12))), images[:, rows][:, :, columns], atol=1e-6)


def test_a_warp_by_half_pixels_is_the_mean_of_neighbours():
    images = noise(2, 9, 12)
    across = warp(images, constant_flow(0.5, 0, (9, 12)))
    assert np.allclose(across[:, :, :-1], (images[:, :, :-1] + images[:, :, 1:]) / 2, atol=1e-6)
    assert np.allclose(across[:, :, -1], images[:, :, -1], atol=1e-6)
    both = warp(images, constant_flow(-0.5, 0.5, (9, 12)))
    blocks = (images[:, :-1, :-1] + images[:, 1:, :-1] + images[:, :-1, 1:] + images[:, 1:, 1:]) / 4
    assert np.allclose(both[:, :-1, 1:], blocks, atol=1e-6)


def test_each_pixel_is_warped_by_its_own_flow():
    image = noise(1, 4, 6)
    flow = np.zeros((2, 4, 6), np.float32)
    flow[0, 1, 2], flow[1, 3, 5] = 2, -3
    expected = image.copy()
    expected[0, 1, 2], expected[0, 3, 5] = image[0, 1, 4], image[0, 0, 5]
    assert np.allclose(warp(image, flow), expected, atol=1e-6)
