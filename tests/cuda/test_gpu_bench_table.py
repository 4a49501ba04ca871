"""The figures of a GPU as a table and for JSON; the GPU is invented."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.pipelines.bench.gpu_result import GPUBenchResult, NetworkTime

from streamseg.device.cuda.limits import GPULimits, RatedLimits, rated_limits
from streamseg.network.work import Work
from streamseg.runtime.statistics import StageStatistics, Statistics


def result(**changes):
    figures = {
        "gpu": "A GPU",
        "opening": (6.25, 4.5),
        "frames": 300,
        "network": [NetworkTime(1, 0.5, 0.7, 0.45), NetworkTime(4, 0.3, 0.35, 0.28), NetworkTime(8, 0.25, 0.3, 0.2)],
        "path_fps": {1: 800.0, 4: 1000.0},
        "live_ms": (2.5, 4.0),
        "decode_fps": {"CPU": 600.0, "GPU": 900.0},
        "decoded_fps": {"CPU": 500.0, "GPU": "no NVIDIA driver that decodes"},
        "end_to_end_fps": {"CPU, x264": 180.0, "GPU, x264": 190.0, "CPU, NVENC": "no NVIDIA GPU that encodes this"},
        "transcode_fps": 200.0,
        "cold_start": 3.25,
        "memory": 1_234_000_000,
        "frame_bytes": (3_000_000, 2_000_000),
        "work": Work(multiplications=10_000_000, weight_bytes=2_000_000, activation_bytes=6_000_000),
        "limits": GPULimits(multiplications=1e11, memory=1e11, upload=1e10, download=8e9),
        "rated": RatedLimits(multiplications=2e11, memory=1.6e11),
        "statistics": Statistics([StageStatistics("source")], []),
    }
    return GPUBenchResult(**{**figures, **changes})


def test_each_figure_has_a_line():
    lines = result().table().splitlines()
    expected = [
        "network opened in 6.2 s, 4.5 s of it choosing convolutions",
        "network alone, batch 1                     0.500 ms a frame, p99 0.700, without waiting 0.450",
        "network alone, batch 8                     0.250 ms a frame, p99 0.300, without waiting 0.200",
        "without codecs, batch 4                   1000.0 fps     1.00 ms a frame",
        "decode alone: GPU                          900.0 fps     1.11 ms a frame",
        "decoded by the CPU, not encoded            500.0 fps     2.00 ms a frame",
        "decoded by the GPU, not encoded                - (no NVIDIA driver that decodes)",
        "decode and encode alone: CPU, x264         200.0 fps     5.00 ms a frame",
        "end to end: CPU, x264                      180.0 fps     5.56 ms a frame",
        "end to end: CPU, NVENC                         - (no NVIDIA GPU that encodes this)",
        "one frame at a time, without codecs: 2.50 ms, p99 4.00",
        "end to end reaches 0.90 of decode and encode alone (300 frames)",
        "cold start, to the first frame written: 3.25 s",
        "peak GPU memory: 1234 MB",
    ]
    for line in expected:
        assert line in lines, line


def test_fractions_of_the_limits_are_those_of_the_best_batch():
    """At batch 8 and 0.2 ms a frame: 5000 frames per second."""
    known = result()
    assert known.of_limits == pytest.approx({"multiplications": 0.5, "memory": 0.4, "upload": 0.24, "download": 0.2})
    assert known.of_rated == pytest.approx({"multiplications": 0.25, "memory": 0.25})
    assert "the network, of the rated limits: 25 % of multiplications, 25 % of memory" in known.table()
    unknown = result(rated=None)
    assert unknown.of_rated == {} and "the rated limits of this GPU are not known here" in unknown.table()


def test_scripts_get_figures_and_reasons():
    figures = json.loads(json.dumps(result().as_dict()))
    assert figures["of_transcode"] == pytest.approx(0.9)
    assert figures["decoded_fps"]["CPU"] == 500.0
    assert figures["decoded_fps"]["GPU"] == "no NVIDIA driver that decodes"
    assert figures["gpu"] == "A GPU" and figures["end_to_end_fps"]["GPU, x264"] == 190.0
    assert figures["rated"] == {"multiplications": 2e11, "memory": 1.6e11}


def test_figures_are_also_under_the_old_keys():
    figures = result().as_dict()
    assert figures["card"] == figures["gpu"]
    assert figures["whole_fps"] == figures["end_to_end_fps"]
    assert figures["whole_fps"]["card, x264"] == 190.0 and "card, NVENC" not in figures["whole_fps"]
    assert figures["decode_fps"]["card"] == figures["decode_fps"]["GPU"] == 900.0


@pytest.mark.parametrize(
    "capability, cores, mhz, memory_mhz, bits, tera, giga",
    [((8, 0), 108, 1410, 1215, 5120, 312, 1555), ((9, 0), 132, 1830, 2619, 5120, 989, 3352)],
    ids=["A100 40 GB", "H100 SXM"],
)
def test_rated_limits_are_those_of_the_data_sheets(capability, cores, mhz, memory_mhz, bits, tera, giga):
    properties = SimpleNamespace(
        major=capability[0],
        minor=capability[1],
        multi_processor_count=cores,
        clock_rate=1000 * mhz,
        memory_clock_rate=1000 * memory_mhz,
        memory_bus_width=bits,
    )
    rated = rated_limits(properties)
    assert 2 * rated.multiplications == pytest.approx(tera * 1e12, rel=0.01)
    assert rated.memory == pytest.approx(giga * 1e9, rel=0.01)
    properties.minor = 7
    assert rated_limits(properties) is None and rated_limits(None) is None
