"""Boundary metrics, against distances measured pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.metrics import boundary_f, relaxed_boundary_f
from streamseg.metrics.morphology import contour, dilate, inner_boundary, largest_component


def square(shift=0, rows=40, columns=60):
    mask = np.zeros((rows, columns), np.bool_)
    mask[10:30, 15 + shift : 35 + shift] = True
    return mask


def fraction_within(points, others, tolerance):
    """The fraction of points [N, 2] that have one of the others within the tolerance."""
    distances = np.sqrt(((points[:, None] - others[None]) ** 2).sum(2))
    return (distances.min(1) <= tolerance).mean()


def slow_f(found, true, tolerance, beta_squared):
    found, true = np.argwhere(found), np.argwhere(true)
    precision, recall = fraction_within(found, true, tolerance), fraction_within(true, found, tolerance)
    return (1 + beta_squared) * precision * recall / (beta_squared * precision + recall)


def slow_inner(mask):
    out = np.zeros_like(mask)
    for row, column in np.argwhere(mask):
        neighbours = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        inside = [(r, c) for r, c in neighbours if 0 <= r < mask.shape[0] and 0 <= c < mask.shape[1]]
        out[row, column] = any(not mask[neighbour] for neighbour in inside)
    return out


def blobs(seed):
    """Irregular shapes, some at the border."""
    coarse = np.random.default_rng(seed).random((5, 7)) < 0.5
    return np.kron(coarse, np.ones((8, 6), np.bool_))


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 50])
def test_dilation_uses_euclidean_distance(radius):
    mask = np.random.default_rng(1).random((23, 31)) < 0.01
    points = np.argwhere(mask)
    everywhere = np.argwhere(np.ones_like(mask))
    distances = np.sqrt(((everywhere[:, None] - points[None]) ** 2).sum(2)).min(1)
    assert np.array_equal(dilate(mask, radius), (distances <= radius).reshape(mask.shape))


def test_the_inner_boundary_is_one_pixel_wide_and_not_at_the_border():
    assert inner_boundary(square()).sum() == 4 * 19
    assert not inner_boundary(np.ones((9, 9), np.bool_)).any()
    for seed in range(3):
        assert np.array_equal(inner_boundary(blobs(seed)), slow_inner(blobs(seed)))


def test_the_contour_lies_to_the_upper_left_of_a_change():
    mask = np.zeros((4, 5), np.bool_)
    mask[1:3, 2:4] = True
    expected = ["01110", "01010", "01110", "00000"]
    assert ["".join("01"[value] for value in row) for row in contour(mask).astype(int)] == expected


@pytest.mark.parametrize(
    ("shift", "tolerance", "expected"),
    [(0, 1, 1), (1, 1, 1), (3, 3, 1), (2, 1, 40 / 80), (4, 3, 44 / 80)],
)
def test_a_shifted_square(shift, tolerance, expected):
    """The contour has 21 + 21 columns and 19 + 19 rows between; beyond the tolerance its sides do not match."""
    found, true = contour(square(shift)), contour(square())
    assert found.sum() == 80
    assert boundary_f(square(shift), square(), tolerance) == pytest.approx(slow_f(found, true, tolerance, 1), abs=1e-12)
    assert boundary_f(square(shift), square(), tolerance) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("tolerance", [1, 3])
def test_irregular_shapes_agree_with_distances(tolerance):
    for seed in range(4):
        one, other = blobs(seed), np.roll(blobs(seed), seed + 1, 1)
        got = boundary_f(one, other, tolerance)
        assert got == pytest.approx(slow_f(contour(one), contour(other), tolerance, 1))
        relaxed = relaxed_boundary_f(one, other, tolerance)
        assert relaxed == pytest.approx(slow_f(inner_boundary(one), inner_boundary(other), tolerance, 0.3))


def test_relaxed_f_gives_precision_more_weight():
    full, half = square(), square()
    half[20:] = False
    precise, complete = relaxed_boundary_f(half, full), relaxed_boundary_f(full, half)
    assert precise > complete
    assert precise == pytest.approx(slow_f(slow_inner(half), slow_inner(full), 3, 0.3))


@pytest.mark.parametrize("measure", [relaxed_boundary_f, lambda found, true: boundary_f(found, true, 1)])
def test_perfect_empty_and_missed_masks(measure):
    empty = np.zeros((40, 60), np.bool_)
    assert measure(square(), square()) == 1
    assert measure(empty, empty) == 1
    assert measure(square(), empty) == measure(empty, square()) == 0


def test_soft_maps_are_thresholded_at_one_half():
    soft = np.where(square(), 0.5, 0.49).astype(np.float32)
    assert boundary_f(soft, square(), 1) == relaxed_boundary_f(soft, square()) == 1


def slow_component(mask):
    """By flood fill."""
    left, best = {tuple(pixel) for pixel in np.argwhere(mask)}, set()
    for start in sorted(left):
        part, edge = set(), [start] if start in left else []
        while edge:
            row, column = edge.pop()
            if (row, column) in left:
                left.remove((row, column))
                part.add((row, column))
                edge += [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        best = part if len(part) > len(best) else best
    out = np.zeros_like(mask)
    for pixel in best:
        out[pixel] = True
    return out


@pytest.mark.parametrize("density", [0.0, 0.3, 0.55, 0.6, 0.7, 1.0])
def test_the_largest_component(density):
    for seed in range(4):
        mask = np.random.default_rng(seed).random((21, 30)) < density
        assert np.array_equal(largest_component(mask), slow_component(mask))


def test_a_winding_component():
    spiral = np.zeros((9, 9), np.bool_)
    spiral[::2] = True
    spiral[[1, 5], -1] = spiral[[3, 7], 0] = True
    assert np.array_equal(largest_component(spiral), spiral)
    cut = spiral.copy()
    cut[3, 0] = False
    assert np.array_equal(np.flatnonzero(largest_component(cut).any(1)), [4, 5, 6, 7, 8])
