"""scripts/convert_weights.py: what it writes, and what it rejects."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from safetensors.numpy import save_file

from streamseg.network.architecture import U2NETP, Architecture
from streamseg.network.weights import load_weights

Maker = Callable[[Architecture], dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def converter() -> ModuleType:
    """scripts/convert_weights.py as a module."""
    path = Path(__file__).resolve().parents[2] / "scripts" / "convert_weights.py"
    spec = importlib.util.spec_from_file_location("convert_weights", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_conversion_folds_and_is_reproducible_byte_for_byte(
    tmp_path: Path, random_unfolded: Maker, converter: ModuleType
) -> None:
    save_file(random_unfolded(U2NETP), tmp_path / "in.safetensors")
    for name in ("one.safetensors", "two.safetensors"):
        assert converter.main([str(tmp_path / "in.safetensors"), str(tmp_path / name)]) == 0
    one = tmp_path / "one.safetensors"
    assert one.read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    expected = load_weights(tmp_path / "in.safetensors").tensors
    got = load_weights(one).tensors
    assert set(got) == set(expected)
    assert all(np.array_equal(got[name], values) for name, values in expected.items())
    assert b'"licence":"Apache-2.0","model":"u2netp","source":"in.safetensors, SHA-256' in one.read_bytes()


def test_conversion_rejects_another_file_under_a_known_name(
    tmp_path: Path, random_folded: Maker, onnx_writer: Callable, converter: ModuleType, capsys: pytest.CaptureFixture
) -> None:
    source = onnx_writer(U2NETP, random_folded(U2NETP)).write(tmp_path / "u2netp.onnx")
    assert converter.main([str(source), str(tmp_path / "out.safetensors")]) == 1
    assert "SHA-256 is" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
