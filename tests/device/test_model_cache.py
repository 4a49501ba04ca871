"""The cache of the compiled network: used, harmless when damaged, and off on request."""

from __future__ import annotations

import locale
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from streamseg.device.cache import cache_folder
from streamseg.device.cpu.openvino import compiling
from streamseg.device.cpu.openvino.network import OpenVINONetwork
from streamseg.network.weights import load_weights

IMAGE = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)


def blobs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """A cache in which one network was opened, and the map that this gave: compiling takes longest."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMSEG_CACHE", str(folder))
        network = OpenVINONetwork(size=64)
    assert len(blobs(folder)) == 1
    return folder, network(IMAGE)


@pytest.fixture
def filled(opened, cache) -> np.ndarray:
    """The map of the network that is in ``cache``."""
    shutil.copytree(opened[0], cache, dirs_exist_ok=True)
    return opened[1]


def test_the_second_network_comes_from_the_cache_and_is_the_same(cache, filled):
    (blob,) = blobs(cache)
    written = blob.stat().st_mtime_ns
    second = OpenVINONetwork(size=64)
    assert second._requests[0].compiled.get_property("LOADED_FROM_CACHE")
    assert blobs(cache) == [blob] and blob.stat().st_mtime_ns == written
    assert np.array_equal(filled, second(IMAGE))


@pytest.mark.parametrize("damage", [b"", b"damaged"])
def test_a_damaged_cache_is_ignored(cache, filled, damage):
    (blob,) = blobs(cache)
    blob.chmod(0o600)
    blob.write_bytes(damage)
    assert np.array_equal(OpenVINONetwork(size=64)(IMAGE), filled)


def test_other_sizes_and_variants_have_entries_of_their_own(cache, filled):
    for options in ({"size": 64}, {"size": 96}, {"size": 64, "variant": "lite"}):
        OpenVINONetwork(**options)
    assert len(blobs(cache)) == 3


def test_other_weights_are_not_cached(cache):
    OpenVINONetwork(load_weights(), size=64)
    assert blobs(cache) == []


def test_off_on_request(monkeypatch, tmp_path):
    monkeypatch.setenv("STREAMSEG_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    OpenVINONetwork(size=64)
    assert cache_folder("1") is None and blobs(tmp_path) == []


def test_without_a_cache_where_its_folder_cannot_be_created(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STREAMSEG_CACHE", str(tmp_path / "file"))
    assert cache_folder("1") is None
    OpenVINONetwork(size=64)


def test_each_version_of_openvino_has_a_folder_of_its_own(cache, filled):
    import openvino

    version = openvino.get_version().split("-")[0]
    assert [path.name for path in cache.iterdir()] == [f"openvino-{version}"]
    assert cache_folder("other") == cache / "other"


def test_two_networks_opened_at_once_leave_the_locale_as_it_was(cache, monkeypatch):
    """OpenVINO sets it to C while it reads the cache; here each thread finds the C of the other."""
    before, other = locale.setlocale(locale.LC_CTYPE), Barrier(2)
    if before == "C":
        pytest.skip("the locale is C")

    class Core:
        def compile_model(self, *_):
            other.wait(20)
            locale.setlocale(locale.LC_ALL, "C")
            other.wait(20)

    monkeypatch.setattr(compiling, "shared_core", Core)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: compiling.compile_cached(None, 1, 1), range(2)))
    left = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, before)
    assert left == before
