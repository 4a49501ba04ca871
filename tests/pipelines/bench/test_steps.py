"""The cost of each step on one core."""

from __future__ import annotations

import pytest
from streamseg.pipelines.bench import steps
from streamseg.pipelines.bench.steps import step_costs, steps_table
from streamseg.pipelines.stages.options import Matting

NETWORK = {"model": "u2netp", "weights": None, "precision": None, "threads": None}


@pytest.mark.parametrize("matting, smoothed", [(Matting(), True), (Matting(look_ahead=0, speed="fast"), False)])
def test_every_step_has_a_cost_and_the_network_is_left_out(sample_clip, matting, smoothed, monkeypatch):
    monkeypatch.setattr(steps, "_FRAMES", 20)
    monkeypatch.setattr(steps, "_WARM_UP", 6)
    costs = step_costs(str(sample_clip), "#00b140", matting, **NETWORK)
    assert list(costs) == ["motion", "prepare", "filter", "smoothing", "edges", "composite", "background"]
    assert all(0 <= cost < 1000 for cost in costs.values())
    assert all(costs[name] > 0.05 for name in ("motion", "prepare", "filter", "edges", "composite"))
    assert (costs["smoothing"] > 0.2) == smoothed
    lines = steps_table(costs).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*costs, "total"]
    assert float(lines[-1].split()[1]) == pytest.approx(sum(costs.values()), abs=0.01)
