"""Evaluation of sets of dichotomous image segmentation, laid out as DIS5K."""

from __future__ import annotations

import json

import numpy as np
import pytest
from streamseg.pipelines.evaluate import evaluate_dis

from streamseg.errors import InputError


@pytest.fixture
def dis5k(tmp_path, square, save_grey):
    """Three sets of white squares on black, of different sizes; and maps that are the masks, but for one in DIS-TE2."""
    for name, count in (("DIS-TE1", 1), ("DIS-TE2", 2), ("DIS-VD", 1)):
        for number in range(count):
            grey = np.kron(square(4 * number), np.ones((1 + number, 2 - number), np.uint8))
            for part in ("im", "gt"):
                save_grey(tmp_path / "DIS5K" / name / part / f"{number}.png", grey)
            save_grey(tmp_path / "peer" / name / f"{number}.png", grey if number == 0 else 0 * grey)
    return tmp_path / "DIS5K"


def test_each_set_and_the_mean_of_the_test_sets(dis5k, tmp_path, streamseg):
    done = streamseg("evaluate", "dis", dis5k, "--against", tmp_path / "peer", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert (result["images"], result["scaling"]) == (4, "published")
    names = ["DIS-TE1", "DIS-TE2", "DIS-VD", "mean of DIS-TE"]
    assert [(row["set"], row["maps"]) for row in result["rows"]] == [
        (name, maps) for name in names for maps in ("streamseg", "peer")
    ]
    one, two, _, mean = result["rows"][1::2]
    assert one["maximum_mean_f"] == pytest.approx(1) and (one["mae"], one["hce"]) == (0, 0)
    # Of the second map of DIS-TE2 nothing is left: a square is to be drawn.
    assert 0.4 < two["maximum_mean_f"] < 0.7 and two["mae"] == pytest.approx(0.5 * 50 * 100 / (120 * 180), abs=0.03)
    assert two["hce"] >= 2
    for key in ("maximum_mean_f", "weighted_f", "mae", "s_measure", "e_measure", "hce"):
        assert mean[key] == pytest.approx((one[key] + two[key]) / 2)


def test_one_set_has_no_mean(dis5k):
    report = evaluate_dis(dis5k / "DIS-VD", maps="stream")
    assert [row["set"] for row in report.rows] == ["DIS-VD"]
    assert report.table().splitlines()[-2].split() == ["set", "maps", "maxF", "Fw", "MAE", "S", "E", "HCE"]


def test_a_map_that_is_missing_is_found_before_the_work_starts(dis5k, tmp_path):
    (tmp_path / "peer" / "DIS-VD" / "0.png").unlink()
    with pytest.raises(InputError, match=r"peer.DIS-VD: holds no map for .*0\.png"):
        evaluate_dis(dis5k, against=[tmp_path / "peer"])
