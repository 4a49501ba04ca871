"""scripts/gpu, which are run on a GPU before anything else: every step of them, on the host's stand-in for one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from stand_in_cuda import Profiler, stand_in_for_cuda  # noqa: E402
from stand_in_triton import StandInKernels  # noqa: E402
from test_convolutions import CuDNN  # noqa: E402

from streamseg.device.cuda import device as device_module  # noqa: E402
from streamseg.device.cuda import platform as platform_module  # noqa: E402
from streamseg.device.cuda.convolutions.choice import method_choice  # noqa: E402

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "gpu"
SHELL = (SCRIPTS / "gpu_first_run.sh").read_text(encoding="utf-8")
STEPS = re.search(r'STEPS=\$\{STEPS:-"([^"]*)"\}', SHELL)[1].split()
CALLED = set(re.findall(r"-m first_run (\w+)", SHELL))
SUBCOMMANDS = set(
    re.findall(r'^    "(\w+)": "', (SCRIPTS / "first_run" / "__main__.py").read_text(encoding="utf-8"), re.MULTILINE)
)
# What the host has not: a GPU's decoder and encoder, nvidia-smi's libraries.
NOT_ON_A_HOST = re.compile(r"GPU|NVENC|hwaccel cuda|lib\w+\.so")


@pytest.fixture
def first_run(host, tmp_path, monkeypatch, beach):
    """Runs one subcommand, and gives what it reports by name; all sizes and counts are small."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    report = import_module("first_run.report")
    folder, out = tmp_path / "gpu", tmp_path / "out"
    out.mkdir()
    files = {"OUT": out, "SITE": tmp_path / "site", "FOLDER": folder, "CLIP": folder / "clip1080.mp4", "BEACH": beach}
    settings = {**files, "SCRATCH": tmp_path, "SOURCE": str(files["CLIP"]), "BACKGROUND": str(beach), **SMALL}
    names = {target.partition(":")[0] for target in import_module("first_run.__main__").SUBCOMMANDS.values()}
    for module in (report, *(import_module(f"first_run.{name}") for name in (*names, "convolutions"))):
        for name, value in settings.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
        if hasattr(module, "CUDAPlatform"):
            monkeypatch.setattr(module, "CUDAPlatform", lambda: host)
    monkeypatch.setattr(import_module("first_run.convolutions").graph_ms, "__defaults__", (1, 1))
    monkeypatch.setattr(import_module("first_run.probe").host_us, "__defaults__", (2,))
    monkeypatch.setattr(import_module("first_run.profiling"), "profiler", Profiler)
    on_the_host(host, monkeypatch)
    test_data(folder)

    def run(subcommand, *arguments):
        module, _, function = import_module("first_run.__main__").SUBCOMMANDS[subcommand].partition(":")
        getattr(import_module(f"first_run.{module}"), function)(*arguments)
        lines = (
            (out / "results.jsonl").read_text(encoding="utf-8").splitlines() if (out / "results.jsonl").exists() else []
        )
        return {record["name"]: record["value"] for record in map(json.loads, lines)}

    return run


SMALL = {
    "SIDE": 32,
    "BITS": (10,),
    "FRAME_BYTES": 10_000,
    "SECONDS": 0.2,
    "SPEED": "fast",
    "LIMITS": (64, 1),
    "INPUTS": ((32, 1),),
    "WARM_UP": 1,
    "TIMED": 2,
    "PROFILED": 2,
    "FRAMES": 3,
    "MOST_FRAMES": 12,
    "WIDTH": 160,
    "HEIGHT": 120,
    "SIZES": {"yuv420p": (33, 21), "gbrp": (32, 24)},
}


def on_the_host(host, monkeypatch):
    """The host's platform, a quick stand-in for the network, cuDNN's for its convolutions."""
    stand_in_for_cuda(monkeypatch)
    for module in (device_module, platform_module):
        monkeypatch.setattr(module, "CUDAPlatform", lambda: host)
    monkeypatch.setitem(sys.modules, "streamseg.device.cuda.convolutions.triton_kernels", StandInKernels())
    monkeypatch.setattr("streamseg.device.cuda.convolutions.layers._triton_version", lambda: "a stand-in")
    method_choice.cache_clear()
    monkeypatch.setattr(torch, "cudnn_convolution_add_relu", CuDNN(lambda *_: False).add_relu, raising=False)
    bench = import_module("streamseg.pipelines.bench.gpu")
    for name, value in {"_NETWORK_RUNS": 2, "_FRAMES": 4, "_REPEATS": 3, "_WARM_UP": 1}.items():
        monkeypatch.setattr(bench, name, value)


def quick(self, x):
    return torch.sigmoid(4 * x.mean(1))


def test_data(folder):
    """Two pictures with masks, a clip, and mattes of the CPU."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / "sod" / name).mkdir(parents=True)
        for number in range(2):
            values = rng.integers(0, 255, (24, 32, 3), np.uint8)
            av.VideoFrame.from_ndarray(values).save(str(folder / "sod" / name / f"{number}.png"))
    for name, codec, form in (("matte_cpu.mkv", "ffv1", "gray"), ("clip1080.mp4", "libx264", "yuv420p")):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=24)
            stream.width, stream.height, stream.pix_fmt = 160, 120, form
            for number in range(6):
                grey = np.zeros((120, 160), np.uint8)
                grey[30:90, 20 + number : 80 + number] = 200
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="gray").reformat(format=form)))
            container.mux(stream.encode(None))


test_data.__test__ = False
#: What each step must report, as patterns.
EXPECTED = {
    "env": ["versions", "streamseg"],
    "open": ["choosing convolutions", "the same again, warm", "waited for, median", "three times"],
    "probe": ["a launch with 5", "a 1080p frame uploaded", "NaNs in freed", "of 112 layers, plain", "without indices"],
    "choose": ["kinds of layers", "the faster of both", "maps differ"],
    "bench": [
        "device opened",
        "network b8: median",
        "all stages, 1080p b4",
        "one frame at a time, p99",
        "end to end: CPU, x264",
        "decode and x264 alone",
        "copy within the GPU",
        "background blurred",
    ],
    "profile": ["network b1: own: finish", "pipeline b1: convolution", "host in step", "without its network"],
    "quality": ["SOD images", "MAE half", "maps differ, mean"],
    "clip": ["GPU against CPU, mean, hwaccel none", "frames, hwaccel none", "over an image"],
    "soak": ["after 12 frames", "fps|one thread", "flat"],
}


@pytest.mark.parametrize("subcommand", EXPECTED)
def test_every_step_reports_its_figures(first_run, subcommand, monkeypatch):
    if subcommand not in ("probe", "choose"):  # which need the layers of the network, on a small image
        monkeypatch.setattr("streamseg.device.cuda.network.FusedNetwork.__call__", quick)
    figures = first_run(subcommand)
    failed = {name: value for name, value in figures.items() if str(value).startswith("FAILED")}
    assert not [name for name in failed if not NOT_ON_A_HOST.search(name)], failed
    for pattern in EXPECTED[subcommand]:
        assert any(re.search(pattern, name) for name in figures), (pattern, list(figures))


def test_every_kernel_runs_on_small_frames(first_run, host, monkeypatch, capsys):
    """What compute-sanitizer watches: no kernel is left out but those of the network itself."""
    monkeypatch.setattr(device_module, "FusedNetwork", device_module.FusedNetwork)  # the step replaces it
    monkeypatch.setattr(host, "launched", {})
    import_module("first_run.memory").small(host)
    assert "small: all of it ran" in capsys.readouterr().out
    assert set(host._kernels) - set(host.launched) == {"composite", "max_pool"}


def test_tests_and_the_table(first_run, tmp_path, capsys):
    (tmp_path / "t.xml").write_text(
        '<testsuite><testcase classname="a.b" name="good"/><testcase classname="a.b" name="bad">'
        '<failure message="assert 1 == 2&#10;more"/></testcase></testsuite>'
    )
    assert first_run("tests", str(tmp_path / "t.xml"), "kernels")["kernels"] == "1 passed 1 failed 0 skipped"
    first_run("report", "steps", "env", "exit 0 after 1 s")
    first_run("table")
    printed = capsys.readouterr().out
    assert "tests FAILED b::bad: assert 1 == 2" in printed and "steps env: exit 0 after 1 s" in printed


@pytest.mark.parametrize("mode", ["nobench", "plain"])
def test_the_workaround_fits_todays_code(first_run, tmp_path, mode):
    """Patched, the convolutions ask cuDNN for no search and, with "plain", for nothing in one call."""
    installed = tmp_path / "site" / "streamseg" / "device" / "cuda" / "convolutions" / "cudnn.py"
    installed.parent.mkdir(parents=True)
    source = SCRIPTS.parents[1] / "streamseg" / "device" / "cuda" / "convolutions" / "cudnn.py"
    installed.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    for _ in range(2):  # the second time after "nobench" alone was not enough
        first_run("patch", mode)
    patched = {"__name__": "patched"}
    exec(compile(installed.read_text(encoding="utf-8"), str(installed), "exec"), patched)  # noqa: S102
    x, weight = (torch.randn(1, 4, 8, 8), torch.randn(6, 4, 3, 3))
    with patched["exact_convolutions"]():
        assert not torch.backends.cudnn.benchmark
    convolutions, measured = patched["Convolutions"](measure=lambda work: pytest.fail("measured")), []
    convolutions.fused = lambda *arguments: measured.append(arguments) or torch.zeros(1)
    convolutions.relu(x, weight, torch.zeros(6), 1, 1)
    assert len(measured) == (1 if mode == "nobench" else 0)


def run_shell(tmp_path, python, **environment):
    """The script with another program in the place of Python; what that was asked for, and the exit status."""
    programs, calls = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    (programs / "python3").write_text(f'#!/bin/bash\necho "$@" >> {calls}\n{python}\n')
    (programs / "python3").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "OUT": str(tmp_path / "o"),
        "SITE": str(tmp_path / "s"),
        **environment,
    }
    done = subprocess.run(["/bin/bash", str(SCRIPTS / "gpu_first_run.sh")], env=environment, cwd=tmp_path, timeout=60)
    return [
        re.sub(r".*-m first_run ", "", line) for line in calls.read_text(encoding="utf-8").splitlines()
    ], done.returncode


def test_the_script_runs_every_step_and_the_table_last(tmp_path):
    calls, status = run_shell(tmp_path, "exit 0")
    assert status == 0 and calls[-1] == "table"
    steps = [found[1] for call in calls if (found := re.match(r"report steps (\S+)", call))]
    without_python = {"kernels", "network", "sanitizer"}  # which find no tests, and no compute-sanitizer
    assert set(STEPS) - without_python <= {*steps, "cli"} and "streamseg" in steps
    assert CALLED <= SUBCOMMANDS and {"small", "patch", "tests"} <= CALLED
    assert all(f"do_{step}()" in SHELL for step in STEPS)


def test_a_step_that_fails_is_passed_over(tmp_path):
    """The network does not open, whatever is patched: the steps after it run all the same."""
    calls, status = run_shell(tmp_path, 'case "$*" in *"first_run open"*) exit 3;; esac', STEPS="open env")
    assert status == 0
    assert calls[:-1] == [
        "open",
        "report steps open exit 3 after 0 s",
        "patch nobench",
        "open",
        "report steps open-patched exit 3 after 0 s",
        "patch plain",
        "open",
        "report steps open-plain exit 3 after 0 s",
        "env",
        "report steps env exit 0 after 0 s",
    ]
    assert calls[-1] == "table"
