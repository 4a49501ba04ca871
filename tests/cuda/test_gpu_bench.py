"""``streamseg bench --device cuda`` when one part of it fails: the others keep their figures."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.pipelines.bench import gpu as gpu_bench  # noqa: E402
from streamseg.pipelines.bench.gpu_result import NetworkTime  # noqa: E402

from streamseg.device.cuda import device as device_module  # noqa: E402
from streamseg.device.cuda import limits as limits_module  # noqa: E402
from streamseg.device.cuda.limits import GPULimits, RatedLimits  # noqa: E402
from streamseg.errors import DeviceLost  # noqa: E402
from streamseg.runtime.statistics import StageStatistics, Statistics  # noqa: E402

SUMMARY = SimpleNamespace(frames=5, fps=90.0, statistics=Statistics([StageStatistics("source")], []))
#: What each part gives when it works, by its name in the bench.
PARTS = {
    "_network_time": lambda device, batch: NetworkTime(batch, 0.5, 0.6, 0.4),
    "_path_fps": lambda *_: 800.0,
    "_live_ms": lambda *_: (2.0, 3.0),
    "_decode_fps": lambda *_: 700.0,
    "_decoded_fps": lambda *_: 600.0,
    "BenchJob": lambda *_, **__: SimpleNamespace(run=lambda: SUMMARY),
    "transcode": lambda *_: SimpleNamespace(items_per_second=100.0),
    "cold_start_seconds": lambda *_: 3.0,
    "_rated": lambda _: RatedLimits(1e12, 1e12),
    "measure_limits": lambda *_: GPULimits(1e12, 1e12, 1e10, 1e10),
}
#: The keys of the figures that each part gives.
KEYS = {
    "_network_time": ["network"],
    "_path_fps": ["path_fps"],
    "_live_ms": ["live_ms"],
    "_decode_fps": ["decode_fps"],
    "_decoded_fps": ["decoded_fps"],
    "BenchJob": ["end_to_end_fps", "whole_fps", "frames", "of_transcode", "statistics"],
    "transcode": ["transcode_fps", "of_transcode"],
    "cold_start_seconds": ["cold_start"],
    "_rated": ["rated", "of_rated"],
    "measure_limits": ["limits", "of_limits"],
}
FAILURES = [
    (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR\nYou can try …"), "RuntimeError: cuDNN error"),
    (
        DeviceLost("working on a frame: the GPU or its driver failed"),
        "working on a frame: the GPU or its driver failed",
    ),
    (AttributeError(), "AttributeError"),
]


@pytest.fixture
def bench(host, monkeypatch, small_clip, beach):
    """The bench with the parts that are given in place of working ones."""

    def run(**parts):
        monkeypatch.setattr(device_module, "CUDAPlatform", lambda: host)
        for name, part in {**PARTS, **parts}.items():
            monkeypatch.setattr(limits_module if name == "measure_limits" else gpu_bench, name, part)
        options = {"model": "u2netp", "weights": None, "precision": None}
        return gpu_bench.run_gpu_bench(str(small_clip), str(beach), 0.2, **options)

    return run


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


CASES = [(part, *FAILURES[0]) for part in PARTS] + [("_live_ms", *failure) for failure in FAILURES[1:]]


@pytest.mark.parametrize("part, error, reason", CASES, ids=[f"{case[0]}, {case[2]}" for case in CASES])
def test_a_part_that_fails_costs_only_its_own_rows(bench, part, error, reason):
    whole, result = bench().as_dict(), bench(**{part: failing(error)})
    figures = json.loads(json.dumps(result.as_dict()))
    whole = json.loads(json.dumps(whole))
    changed = [key for key in whole if figures[key] != whole[key] and key != "opening"]
    derived = {"of_limits", "of_rated"}  # fractions of what has failed are left out
    assert set(KEYS[part]) <= set(changed) <= {*KEYS[part], *derived}
    rows = [line for line in result.table().splitlines() if reason in line]
    assert rows and not any("\n" in row or "You can try" in row for row in rows)
    assert reason in json.dumps(figures[KEYS[part][0]])


def test_one_batch_or_codec_that_fails_leaves_the_others(bench):
    def network(device, batch):
        if batch == 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return NetworkTime(batch, 0.5, 0.6, 0.4)

    def job(*arguments, encoding, **options):
        return SimpleNamespace(run=failing(OSError("no NVENC")) if "nvenc" in encoding.codec else lambda: SUMMARY)

    figures = bench(_network_time=network, BenchJob=job).as_dict()
    assert [row.get("median", row.get("reason")) for row in figures["network"]] == [
        0.5,
        "OutOfMemoryError: CUDA out of memory.",
        0.5,
    ]
    assert figures["end_to_end_fps"]["CPU, x264"] == figures["end_to_end_fps"]["GPU, x264"] == 90.0
    assert figures["end_to_end_fps"]["GPU, NVENC"] == "OSError: no NVENC"
    assert figures["frames"] == 5 and figures["of_transcode"] == pytest.approx(0.9)
