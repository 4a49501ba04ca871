"""The figures of the benchmark on the CPU, in JSON and as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamseg.pipelines.bench import BenchResult
from streamseg.pipelines.bench.peer import PeerResult

from streamseg.network.work import Work
from streamseg.runtime import StageStatistics, Statistics

STEPS = {"motion": 1.0, "prepare": 2.0, "filter": 3.0, "smoothing": 4.0, "edges": 5.0, "composite": 6.0}


@pytest.fixture
def result():
    return BenchResult(
        frames=96,
        every=2,
        network_fps=20.0,
        transcode_fps=100.0,
        end_to_end_fps=30.0,
        work=Work(10_000_000_000, 1_000_000, 9_000_000),
        peak={"int8": 4e11, "float32": 1e11},
        kernel_multiplications=3_000_000_000,
        cold_start=1.5,
        memory=250.0,
        steps=STEPS,
        peer=PeerResult("rembg", 40.0, 20.0, 50.0, 80.0, 400.0),
        statistics=Statistics([StageStatistics("network", 96)], []),
    )


def test_json_has_each_figure_under_its_key_and_under_that_of_the_release_before(result):
    figures = result.as_dict()
    assert figures["end_to_end_fps"] == figures["whole_fps"] == 30
    assert figures["kernel_multiplications"] == figures["products"] == 3_000_000_000
    steps, peer = figures["steps"], figures["peer"]
    assert steps == {**STEPS, "memory": STEPS["filter"], "settle": STEPS["smoothing"]}
    assert peer["lite_ms"] == peer["coarse_ms"] == 20
    assert peer["end_to_end_ms"] == peer["whole_ms"] == 50
    assert peer["peer_end_to_end_ms"] == peer["peer_whole_ms"] == 400
    for key in ("frames", "every", "network_fps", "transcode_fps", "peak", "cold_start", "memory"):
        assert figures[key] == getattr(result, key)
    assert figures["work"] == {"multiplications": 10**10, "weight_bytes": 10**6, "activation_bytes": 9 * 10**6}
    assert figures["statistics"]["stages"][0]["name"] == "network"
    assert figures["efficiency"] == pytest.approx(30 / 40)
    assert figures["of_peak"] == pytest.approx({"int8": 0.5, "float32": 2.0})


def test_without_a_peer_or_kernels_json_has_null(result):
    figures = replace(result, peer=None, kernel_multiplications=None).as_dict()
    assert figures["peer"] is figures["kernel_multiplications"] is figures["products"] is None


def test_the_table_names_every_figure(result):
    table = result.table()
    for line in (
        "end to end                    30.0 fps    33.33 ms a frame",
        "end to end reaches 0.75 of the slower of the two (96 frames)",
        "its kernels do 3.0 G of them",
        "the file: 12.0 times the frames per second of rembg",
    ):
        assert line in table
    assert "kernels" not in replace(result, kernel_multiplications=None).table()
