"""scripts/tune.py: what it takes, and what it does not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "tune.py"


@pytest.fixture(scope="module")
def tune():
    spec = importlib.util.spec_from_file_location("tune", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tune"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def errors():
    rng = np.random.default_rng(4)
    return {f"sequence {number}": float(rng.uniform(0.02, 0.06)) for number in range(12)}


def test_what_is_better_everywhere_is_taken(tune, errors):
    scores = {tune.AS_IT_IS: errors, "better": {name: 0.8 * value for name, value in errors.items()}}
    text = tune.report(scores, more=False, folds=4, seed=0)
    assert text.endswith("take it") and "do not" not in text
    assert text.count(": better") == 4
    assert "do not take it" in tune.report(scores, more=True, folds=4, seed=0)


def test_what_is_better_where_it_was_chosen_is_not_taken(tune, errors):
    """On each sequence another candidate has an advantage, and all are a little worse elsewhere."""
    scores = {tune.AS_IT_IS: errors}
    for lucky in errors:
        scores[lucky] = {name: value - 0.1 * (name == lucky) + 0.002 for name, value in errors.items()}
    folds = list(tune.cross_validate(scores, more=False, folds=12, seed=1))
    assert all(fold.chosen not in fold.differences for fold in folds)
    held = [value for fold in folds for value in fold.differences.values()]
    assert np.mean(held) > 0
    assert tune.report(scores, more=False, folds=12, seed=1).splitlines()[-1].startswith("do not take it")


def test_the_interval_holds_the_mean_and_shrinks_with_its_spread(tune):
    wide, narrow = ([-0.1, 0.1, 0.3], [0.09, 0.1, 0.11])
    assert tune.interval(wide, 0)[0] < 0.1 < tune.interval(wide, 0)[1]
    assert np.ptp(tune.interval(narrow, 0)) < np.ptp(tune.interval(wide, 0))


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    y, x = np.mgrid[:90, :120]
    for number, step in enumerate((3, -2)):
        for part in ("images", "masks"):
            (folder / f"disc {number}" / part).mkdir(parents=True)
        for index in range(3):
            mask = np.hypot(x - 60 - step * index, y - 45) < 25
            image = np.where(mask[..., None], (220, 180, 90), (60, 80, 120)).astype(np.uint8)
            Image.fromarray(image).save(folder / f"disc {number}" / "images" / f"{index}.png")
            Image.fromarray(mask).save(folder / f"disc {number}" / "masks" / f"{index}.png")
    return folder


def test_a_run_measures_what_is_not_known_both_ways_and_once(sequences, tmp_path, tune, monkeypatch, capsys):
    candidates, cache = tmp_path / "candidates.toml", tmp_path / "cache.json"
    candidates.write_text("[independent]\nsteady = 0\n", encoding="utf-8")
    measured = tune.figures_of(sequences, "disc 0", {})
    made_up = {draw: {key: value / 2 for key, value in of.items()} for draw, of in measured.items()}
    figures, independent = {"disc 0": measured, "disc 1": made_up}, {"disc 0": made_up}
    cache.write_text(json.dumps({"{}": figures, '{"steady": 0}': independent}), encoding="utf-8")
    words = [sys.executable, SCRIPT, sequences, candidates, "--cache", cache, "--workers", "1", "--folds", "2"]
    done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "independent" in done.stdout and done.stdout.splitlines()[-1].startswith(("take", "do not take"))
    known = json.loads(cache.read_text(encoding="utf-8"))
    assert known["{}"] == figures and known['{"steady": 0}']["disc 0"] == independent["disc 0"]
    assert known['{"steady": 0}']["disc 1"] == tune.figures_of(sequences, "disc 1", {"steady": 0})
    assert all(len(draws) == 4 for of in known.values() for draws in of.values())
    assert known["{}"]["disc 0"]["forwards"] != known["{}"]["disc 0"]["backwards"]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words[1:]])
    assert tune.main() == 0
    assert capsys.readouterr().out == done.stdout and json.loads(cache.read_text(encoding="utf-8")) == known


def test_a_constant_that_is_not_there_is_named(tune):
    with pytest.raises(ValueError, match=r"streamseg.matting.constants has no NOTHING"):
        tune.set_constant("streamseg.matting.constants:NOTHING", 1)
    with pytest.raises(ValueError, match=r"there is no module streamseg.nowhere"):
        tune.set_constant("streamseg.nowhere:NOTHING", 1)
