"""The metrics of saliency tables, compared with PySODMetrics."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from streamseg.errors import MissingDependency
from streamseg.metrics import relaxed_boundary_f
from streamseg.metrics.sod import SaliencyScores, import_py_sod_metrics


def images():
    """Codes of maps and masks, uint8; every map spans 0 to 255, so that normalising changes nothing."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        mask = np.zeros((60, 80), np.uint8)
        mask[10 + seed : 40, 20 : 60 - 5 * seed] = 255
        codes = (mask * 0.5 + rng.integers(0, 128, mask.shape)).astype(np.uint8)
        codes[0, 0], codes[20, 30] = 0, 255
        yield codes, mask


def test_agrees_with_pysodmetrics():
    sod = import_py_sod_metrics()
    theirs = {
        "mae": sod.MAE(),
        "s_measure": sod.Smeasure(),
        "weighted_f": sod.WeightedFmeasure(),
    }
    options = {"with_adaptive": False, "with_dynamic": True}
    curve = sod.FmeasureV2({"precision": sod.PrecisionHandler(**options), "recall": sod.RecallHandler(**options)})
    alignment, scores, boundaries = sod.Emeasure(), SaliencyScores(), []
    for codes, mask in images():
        scores.add(codes / 255, mask > 128)
        boundaries.append(relaxed_boundary_f(codes / 255, mask > 128))
        for measure in (*theirs.values(), alignment, curve):
            measure.step(codes, mask)
    results = scores.results()
    for name, measure in theirs.items():
        (expected,) = measure.get_results().values()
        assert results[name] == pytest.approx(expected, rel=1e-9), name
    assert results["e_measure"] == pytest.approx(alignment.get_results()["em"]["curve"].mean(), rel=1e-9)
    assert results["relaxed_boundary_f"] == pytest.approx(np.mean(boundaries))
    # PySODMetrics counts from 255 down and truncates k/255·255 to whole codes, which floating point can make k − 1.
    for name in ("precision", "recall"):
        theirs = curve.get_results()[name]["dynamic"][::-1]
        np.testing.assert_allclose(getattr(scores.curve, name), theirs, atol=0.02, err_msg=name)


def test_a_perfect_map():
    scores = SaliencyScores()
    for _, mask in images():
        scores.add((mask > 128).astype(np.float32), mask > 128)
    results = scores.results()
    assert (results.pop("mae"), results.pop("hce")) == (0, 0)
    assert results == pytest.approx(dict.fromkeys(results, 1), abs=0.01)


def test_the_worst_tenth_is_what_one_image_in_ten_is_below():
    scores, mask = SaliencyScores(), np.zeros((20, 40), bool)
    mask[5:15, :10] = True
    for width in (10, 20, 40):
        saliency = np.zeros((20, 40), np.float32)
        saliency[5:15, :width] = 1
        scores.add(saliency, mask)
    results = scores.results()
    assert results["iou"] == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)
    assert results["worst_tenth_iou"] == pytest.approx(0.8 * 1 / 4 + 0.2 * 1 / 2)


def test_without_images_all_results_are_none():
    assert set(SaliencyScores().results().values()) == {None}


def test_without_pysodmetrics_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "py_sod_metrics", None)
    with pytest.raises(MissingDependency, match=r"streamseg\[evaluate\]"):
        SaliencyScores()
