"""The compiled network in the user's cache: used, harmless when spoilt, and off on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamseg.device.cpu.model_cache import cache_folder
from streamseg.device.cpu.openvino_network import OpenVINONetwork
from streamseg.network.weights import load_weights

PICTURE = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)


def blobs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path))
    return tmp_path


def test_the_second_network_comes_from_the_cache_and_is_the_same(cache):
    first = OpenVINONetwork(size=64)
    (blob,) = blobs(cache)
    written = blob.stat().st_mtime_ns
    second = OpenVINONetwork(size=64)
    assert second._requests[0].compiled.get_property("LOADED_FROM_CACHE")
    assert blobs(cache) == [blob] and blob.stat().st_mtime_ns == written
    assert np.array_equal(first(PICTURE), second(PICTURE))


@pytest.mark.parametrize("damage", [b"", b"spoilt"])
def test_a_spoilt_cache_costs_nothing_but_time(cache, damage):
    expected = OpenVINONetwork(size=64)(PICTURE)
    (blob,) = blobs(cache)
    blob.chmod(0o600)
    blob.write_bytes(damage)
    assert np.array_equal(OpenVINONetwork(size=64)(PICTURE), expected)


def test_other_sizes_and_forms_do_not_share_an_entry(cache):
    for options in ({"size": 64}, {"size": 96}, {"size": 64, "detail": False}):
        OpenVINONetwork(**options)
    assert len(blobs(cache)) == 3


def test_weights_of_the_user_are_not_kept(cache):
    OpenVINONetwork(load_weights(), size=64)
    assert blobs(cache) == []


def test_off_on_request(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMSEG_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    OpenVINONetwork(size=64)
    assert cache_folder("1") is None and blobs(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_no_cache(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "file"))
    assert cache_folder("1") is None
    OpenVINONetwork(size=64)


def test_each_version_of_openvino_has_its_own(cache):
    assert cache_folder("2026.4.0-1-abc") == cache / "openvino-2026.4.0"
    assert cache_folder("2027.1.0") != cache_folder("2026.4.0")
