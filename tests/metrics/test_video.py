"""Metrics over time."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.metrics import Flicker, VideoScores, dtssd, flicker, iou, warp


def square(shift=0):
    mask = np.zeros((40, 60), np.bool_)
    mask[10:30, 15 + shift : 35 + shift] = True
    return mask


def soft(seed):
    return np.random.default_rng(seed).random((40, 60)).astype(np.float32)


def test_iou_of_a_shifted_square():
    assert iou(square(5), square()) == pytest.approx(15 / 25)
    assert iou(square(), square()) == 1
    assert iou(np.where(square(), 0.5, 0.49), square()) == 1


def test_iou_of_empty_masks():
    empty = np.zeros((40, 60), np.bool_)
    assert iou(empty, empty) == 1
    assert iou(square(), empty) == 0


def test_dtssd_by_hand():
    now, before = np.array([[0.5, 1.0]]), np.array([[0.5, 0.0]])
    true = np.array([[0, 1]], np.bool_), np.array([[1, 0]], np.bool_)
    # Changes 0 and 1 against −1 and 1: √(½·1²)
    assert dtssd(now, before, *true) == pytest.approx(100 * np.sqrt(0.5))


def test_dtssd_ignores_a_constant_error_and_measures_a_changing_one():
    off = np.full((40, 60), 0.3, np.float32)
    assert dtssd(off, off, square(), square()) == 0
    assert dtssd(off + np.float32(0.1), off, square(), square()) == pytest.approx(10, rel=1e-4)
    assert dtssd(square(3).astype(float), square().astype(float), square(3), square()) == 0


def test_dtssd_agrees_with_its_formula():
    p, q, g, h = (soft(seed).astype(float) for seed in range(4))
    assert dtssd(p, q, g, h) == pytest.approx(100 * np.sqrt((((p - q) - (g - h)) ** 2).mean()))


def slow_sample(image, x, y):
    left, top = int(np.floor(x)), int(np.floor(y))
    total = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1 - abs(x - column)) * (1 - abs(y - row))
            total += weight * image[min(row, image.shape[0] - 1), min(column, image.shape[1] - 1)]
    return total


def test_warp_interpolates_bilinearly_and_marks_what_comes_from_outside():
    image, rng = soft(0).astype(float), np.random.default_rng(1)
    flow = rng.normal(0, 4, (2, 40, 60)).astype(np.float32)
    warped, known = warp(image, flow)
    for row, column in rng.integers(0, 40, (200, 2)):
        x, y = column + flow[0, row, column], row + flow[1, row, column]
        inside = 0 <= x <= 59 and 0 <= y <= 39
        assert known[row, column] == inside
        if inside:
            assert warped[row, column] == pytest.approx(slow_sample(image, x, y), abs=1e-5)


def test_flicker_is_zero_where_the_matte_moves_with_the_frame():
    before, now = square().astype(np.float32), square(3).astype(np.float32)
    still, moving = np.zeros((2, 40, 60), np.float32), np.zeros((2, 40, 60), np.float32)
    moving[0] = -3
    assert flicker(now, before, moving) == pytest.approx(0, abs=1e-6)
    assert flicker(now, before, still) == pytest.approx(2 * 3 * 20 / (40 * 60))
    assert flicker(now, before, still + 100) is None
    with pytest.raises(InputError, match="flow is"):
        flicker(now, before, still[:, :-1])


def test_flicker_of_a_sequence_computes_the_flow_of_each_pair():
    pairs = []

    def flow(before, now):
        pairs.append((before, now))
        return np.zeros((2, 40, 60), np.float32)

    score = Flicker(flow)
    assert score.result() is None
    for number, level in enumerate((0.0, 0.2, 0.3)):
        score.add(np.full((40, 60), level), number)
    assert pairs == [(0, 1), (1, 2)]
    assert score.result() == pytest.approx(0.15)


def test_scores_of_a_sequence_are_means_over_frames_and_pairs():
    scores = VideoScores()
    for shift in (0, 1, 5):
        scores.add(square(shift).astype(np.float32), square())
    results = scores.results()
    assert results["mae"] == pytest.approx((0 + 40 + 200) / 3 / 2400)
    assert results["iou"] == pytest.approx((1 + 19 / 21 + 15 / 25) / 3)
    assert results["worst_tenth_iou"] == pytest.approx(0.8 * 15 / 25 + 0.2 * 19 / 21)
    steps = [100 * np.sqrt(pixels / 2400) for pixels in (40, 160)]
    assert results["dtssd"] == pytest.approx(np.mean(steps))
    assert results["boundary_f_3px"] > results["boundary_f_1px"] > 0.6


def test_a_single_frame_has_no_dtssd():
    scores = VideoScores()
    scores.add(square().astype(np.float32), square())
    perfect = {"mae": 0, "iou": 1, "dtssd": None, "boundary_f_1px": 1, "boundary_f_3px": 1, "worst_tenth_iou": 1}
    perfect["ghost"] = 0
    assert scores.results() == perfect
