"""Metrics of soft mattes, against straightforward implementations of their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.metrics import AlphaScores, conn, grad, mad, mse


def disc(x=30.0, soft=6.0, rows=40, columns=60):
    row, column = np.mgrid[:rows, :columns]
    distance = np.hypot(row - 20, column - x)
    return np.clip((12 - distance) / soft + 0.5, 0, 1).astype(np.float32)


def slow_gradient(image):
    """Two-dimensional kernels of 9×9, one pixel at a time."""
    image = (image - image.min()) / (image.max() - image.min())
    offsets = np.arange(-4, 5)
    gaussian = np.exp(-(offsets**2) / (2 * 1.4**2))
    across = gaussian[:, None] * (offsets * gaussian)[None]
    across /= np.sqrt((across**2).sum())
    padded = np.pad(image.astype(float), 4, mode="edge")
    out = np.zeros(image.shape)
    for row, column in np.ndindex(*image.shape):
        window = padded[row : row + 9, column : column + 9]
        out[row, column] = np.hypot((window * across).sum(), (window * across.T).sum())
    return out


def test_mad_and_mse_by_hand():
    prediction, truth = np.array([[0.0, 0.5, 1.0, 1.0]]), np.array([[0.0, 0.0, 1.0, 0.0]])
    assert mad(prediction, truth) == pytest.approx(375)
    assert mse(prediction, truth) == pytest.approx(1000 * 1.25 / 4)


def test_grad_agrees_with_two_dimensional_kernels():
    prediction, truth = disc(33, 3), disc()
    expected = ((slow_gradient(prediction) - slow_gradient(truth)) ** 2).sum() / 1000
    assert grad(prediction, truth) == pytest.approx(expected, rel=1e-4)
    assert expected > 0.01


def test_grad_of_a_step_by_hand():
    """A step of 1 convolved with a Gaussian's derivative of unit norm, summed over its rows."""
    step = np.zeros((20, 40), np.float32)
    step[:, 20:] = 1
    offsets = np.arange(-4, 5)
    gaussian = np.exp(-(offsets**2) / (2 * 1.4**2))
    slope = offsets * gaussian / np.linalg.norm(offsets * gaussian)
    responses = [slope[4 + k :].sum() for k in range(-4, 5)]
    flat = gaussian.sum() / np.linalg.norm(gaussian)
    expected = 20 * sum((response * flat) ** 2 for response in responses) / 1000
    assert grad(np.zeros_like(step), step) == pytest.approx(expected, rel=1e-4)


def test_grad_ignores_the_scale_of_alpha_as_in_the_tables():
    assert grad(disc() * np.float32(0.5), disc()) == pytest.approx(0, abs=1e-6)


def grown_component(mask):
    """The largest 4-connected component, by region growing from each pixel in turn."""
    left, best = mask.copy(), np.zeros_like(mask)
    for start in map(tuple, np.argwhere(mask)):
        if not left[start]:
            continue
        part = np.zeros_like(mask)
        part[start] = True
        while True:
            grown = part.copy()
            grown[1:] |= part[:-1]
            grown[:-1] |= part[1:]
            grown[:, 1:] |= part[:, :-1]
            grown[:, :-1] |= part[:, 1:]
            grown &= mask
            if (grown == part).all():
                break
            part = grown
        left &= ~part
        best = part if part.sum() > best.sum() else best
    return best


def reference_conn(prediction, truth):
    level, alive = np.ones(truth.shape, np.float32), np.ones(truth.shape, np.bool_)
    for step in range(1, 11):
        threshold = np.float32(step / 10)
        part = grown_component((prediction >= threshold) & (truth >= threshold))
        level[alive & ~part] = (step - 1) / 10
        alive &= part
    kept = [1 - np.where(alpha - level >= 0.15, alpha - level, 0) for alpha in (prediction, truth)]
    return np.abs(kept[0] - kept[1]).sum() / 1000


@pytest.mark.parametrize("seed", range(3))
def test_conn_agrees_with_its_definition(seed):
    rng = np.random.default_rng(seed)
    truth = np.maximum(disc(22, 8), disc(50, 5) * np.float32(0.7))
    prediction = np.clip(truth + rng.normal(0, 0.2, truth.shape), 0, 1).astype(np.float32)
    expected = reference_conn(prediction, truth)
    assert conn(prediction, truth) == pytest.approx(expected, rel=1e-5)
    assert expected > 0.01


def test_conn_by_hand():
    """An island of 4 pixels in the prediction only: not connected, each counts 1."""
    truth = np.zeros((20, 20), np.float32)
    truth[2:10, 2:10] = 1
    island = truth.copy()
    island[15:17, 15:17] = 1
    assert conn(island, truth) == pytest.approx(4 / 1000)
    faint = truth.copy()
    faint[15:17, 15:17] = 0.14
    assert conn(faint, truth) == 0


@pytest.mark.parametrize("measure", [mad, mse, grad, conn])
def test_perfect_and_empty_mattes(measure):
    empty = np.zeros((40, 60), np.float32)
    assert measure(disc(), disc()) == 0
    assert measure(empty, empty) == 0
    assert measure(empty, disc()) > 0


@pytest.mark.parametrize("measure", [mad, mse, grad, conn])
def test_a_larger_shift_gives_a_larger_error(measure):
    errors = [measure(disc(30 + shift, 2), disc(30, 2)) for shift in (0, 1, 3, 6)]
    assert errors == sorted(errors) and errors[0] == 0 and errors[1] > 0


@pytest.mark.parametrize("measure", [mad, mse, grad, conn])
def test_different_shapes_are_rejected(measure):
    with pytest.raises(InputError, match="expected the same shape"):
        measure(disc(), disc(columns=61))


def test_scores_of_a_clip():
    scores = AlphaScores()
    for x in (30, 32):
        scores.add(disc(x), disc())
    results = scores.results()
    assert results["mad"] == pytest.approx(mad(disc(32), disc()) / 2)
    assert results["grad"] == pytest.approx(grad(disc(32), disc()) / 2)
    difference = disc(32).astype(float) - disc(30)
    assert results["dtssd"] == pytest.approx(100 * np.sqrt((difference**2).mean()), rel=1e-5)
