"""What ``streamseg doctor`` says of this machine, and of machines that lack something."""

from __future__ import annotations

import json
import platform
import sys
from argparse import Namespace

from streamseg.pipelines.command import doctor

import streamseg.device.cpu.compiled as compiled
import streamseg.device.cpu.open_network as opening
from streamseg import __version__
from streamseg.device.cpu.integer.plan import supported_instructions
from streamseg.errors import WeightsError
from streamseg.runtime import usable_cores


def test_it_says_what_is_here(streamseg):
    done = streamseg("doctor", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["Versions"]["streamseg"] == __version__
    assert found["Versions"]["Python"].startswith(platform.python_version())
    assert f"{usable_cores()} cores" in found["CPU"]["processor"]
    assert found["CPU"]["network"].startswith(("integer kernels", "OpenVINO"))
    assert "libx264" in found["Codecs"]["encoders"] and "libx264" not in found["Codecs"]["missing"]
    assert found["GPU"]["cuda"] and found["Cameras"]


def test_what_is_missing_is_named_with_its_remedy(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_installed", lambda name: None if name in ("kornia", "openvino") else "1.0")
    monkeypatch.setattr(compiled, "compiled_kernels", lambda: None)
    monkeypatch.setitem(sys.modules, "torch", None)

    def altered(*_):
        raise WeightsError("u2netp-int8.safetensors: missing or altered\ninstall streamseg again")

    monkeypatch.setattr(opening, "open_network", altered)
    assert doctor.run_doctor(Namespace(json=False)) == 1
    lines = dict(line.strip().split(None, 1) for line in capsys.readouterr().out.splitlines() if line.startswith("  "))
    assert lines["kornia"] == 'not installed: pip install "streamseg[train]"'
    assert lines["openvino"] == "missing: install streamseg again"
    assert lines["mattes"].startswith("NumPy: the kernels in C were not compiled")
    assert lines["network"] == "none: u2netp-int8.safetensors: missing or altered"
    assert lines["cuda"].startswith("none: ") and "torch" in lines["cuda"]


def test_it_says_why_a_network_was_chosen(monkeypatch):
    best = supported_instructions()[-1:]
    expected = f"integer kernels, with {best[0].name.replace('_', ' ')}; opened in" if best else "need AVX2"
    assert expected in dict(doctor._cpu())["network"]
    monkeypatch.setattr("streamseg.device.cpu.integer.network.supported_instructions", lambda: ())
    monkeypatch.setattr("streamseg.device.cpu.integer.plan.supported_instructions", lambda: ())
    assert "OpenVINO, for the integer kernels need AVX2" in dict(doctor._cpu())["network"]
