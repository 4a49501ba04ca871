"""The figures of a card as a table, of a card that never was."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.pipelines.card_result import CardBenchResult, NetworkTime

from streamseg.device.cuda.peak import CardLimits, RatedLimits, rated_limits
from streamseg.network.work import Work
from streamseg.runtime.statistics import StageStatistics, Statistics


def result(**changes):
    figures = {
        "card": "A card",
        "frames": 300,
        "network": [NetworkTime(1, 0.5, 0.7, 0.45), NetworkTime(4, 0.3, 0.35, 0.28), NetworkTime(8, 0.25, 0.3, 0.2)],
        "path_fps": {1: 800.0, 4: 1000.0},
        "live_ms": (2.5, 4.0),
        "decode_fps": {"CPU": 600.0, "card": 900.0},
        "decoded_fps": {"CPU": 500.0, "card": "no NVIDIA driver that decodes"},
        "whole_fps": {"CPU, x264": 180.0, "card, x264": 190.0, "CPU, NVENC": "no NVIDIA card that encodes this"},
        "transcode_fps": 200.0,
        "cold_start": 3.25,
        "memory": 1_234_000_000,
        "frame_bytes": (3_000_000, 2_000_000),
        "work": Work(multiplications=10_000_000, weight_bytes=2_000_000, activation_bytes=6_000_000),
        "limits": CardLimits(multiplications=1e11, memory=1e11, upload=1e10, download=8e9),
        "rated": RatedLimits(multiplications=2e11, memory=1.6e11),
        "statistics": Statistics([StageStatistics("source")], []),
    }
    return CardBenchResult(**{**figures, **changes})


def test_each_figure_has_its_line():
    lines = result().table().splitlines()
    expected = [
        "network alone, batch 1                     0.500 ms a frame, p99 0.700, without waiting 0.450",
        "network alone, batch 8                     0.250 ms a frame, p99 0.300, without waiting 0.200",
        "without codecs, batch 4                   1000.0 fps     1.00 ms a frame",
        "decoded by the card, nothing else          900.0 fps     1.11 ms a frame",
        "decoded by the CPU, nothing encoded        500.0 fps     2.00 ms a frame",
        "decoded by the card, nothing encoded           - (no NVIDIA driver that decodes)",
        "decode and encode alone: CPU, x264         200.0 fps     5.00 ms a frame",
        "the whole: CPU, x264                       180.0 fps     5.56 ms a frame",
        "the whole: CPU, NVENC                          - (no NVIDIA card that encodes this)",
        "one frame at a time, without codecs: 2.50 ms, p99 4.00",
        "the whole reaches 0.90 of decoding and encoding alone (300 frames)",
        "cold start, to the first frame written: 3.25 s",
        "largest use of the card's memory: 1234 MB",
    ]
    for line in expected:
        assert line in lines, line


def test_parts_of_the_limits_are_those_of_the_best_batch():
    """At batch 8 and 0.2 ms a frame: 5000 frames a second."""
    made = result()
    assert made.of_limits == pytest.approx({"multiplications": 0.5, "memory": 0.4, "upload": 0.24, "download": 0.2})
    assert made.of_rated == pytest.approx({"multiplications": 0.25, "memory": 0.25})
    assert "of what its properties promise: 25 % of multiplications, 25 % of memory" in made.table()
    unknown = result(rated=None)
    assert unknown.of_rated == {} and "its properties promise nothing that is known here" in unknown.table()


def test_scripts_get_figures_and_reasons():
    figures = json.loads(json.dumps(result().as_dict()))
    assert figures["of_transcode"] == pytest.approx(0.9)
    assert figures["decoded_fps"] == {"CPU": 500.0, "card": "no NVIDIA driver that decodes"}
    assert figures["rated"] == {"multiplications": 2e11, "memory": 1.6e11}


@pytest.mark.parametrize(
    "capability, cores, mhz, memory_mhz, bits, tera, giga",
    [((8, 0), 108, 1410, 1215, 5120, 312, 1555), ((9, 0), 132, 1830, 2619, 5120, 989, 3352)],
    ids=["A100 40 GB", "H100 SXM"],
)
def test_what_properties_promise_is_what_the_makers_sheets_say(capability, cores, mhz, memory_mhz, bits, tera, giga):
    card = SimpleNamespace(
        major=capability[0],
        minor=capability[1],
        multi_processor_count=cores,
        clock_rate=1000 * mhz,
        memory_clock_rate=1000 * memory_mhz,
        memory_bus_width=bits,
    )
    promised = rated_limits(card)
    assert 2 * promised.multiplications == pytest.approx(tera * 1e12, rel=0.01)
    assert promised.memory == pytest.approx(giga * 1e9, rel=0.01)
    card.minor = 7
    assert rated_limits(card) is None and rated_limits(None) is None
