"""Comparison with other programs, with a stand-in for them: nothing is downloaded, rembg need not be installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from streamseg.pipelines.bench import peers
from streamseg.pipelines.bench.peer import against_peer

from streamseg.errors import InputError, MissingDependency


class Recolourer:
    """Returns red images and keeps what it was given."""

    name = "recolourer"

    def __init__(self):
        self.network_images, self.composited = [], []

    def network(self, image):
        self.network_images.append(image)

    def composite(self, image, background):
        self.composited.append((image, background))
        return np.full_like(image, (255, 0, 0))


def test_a_peer_gets_the_frames_and_the_background(monkeypatch, few_frames):
    peer = Recolourer()
    monkeypatch.setitem(peers.PEERS, "recolourer", lambda: peer)
    result = against_peer(str(few_frames(count=4)), "#00ff00", "recolourer")
    assert len(peer.network_images) == len(peer.composited) == 4
    image, background = peer.composited[0]
    assert image.dtype == np.uint8 and image.shape == background.shape
    assert np.abs(background.astype(int) - (0, 255, 0)).max() < 25  # with either matrix
    assert image.std() > 5 and np.array_equal(image, peer.network_images[0])
    assert "recolourer" in result.table()
    ours = (result.network_ms, result.lite_ms, result.end_to_end_ms)
    assert min(*ours, result.peer_network_ms, result.peer_end_to_end_ms) > 0


def test_rembg_without_its_model_names_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    with pytest.raises(InputError, match=rf"{tmp_path}/u2netp\.onnx: .*put its u2netp\.onnx"):
        peers.Rembg()


def test_another_model_under_that_name_is_refused(monkeypatch, tmp_path):
    (tmp_path / "u2netp.onnx").write_bytes(b"not it")
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    with pytest.raises(InputError, match="missing or another"):
        peers.Rembg()


def test_without_rembg_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rembg", None)
    monkeypatch.setattr(peers.Rembg, "_check_model", lambda self: None)
    with pytest.raises(MissingDependency, match=r'pip install "rembg\[cpu\]"'):
        peers.Rembg()
