"""Other programs beside ours, with a stand-in for them: nothing is fetched, and rembg need not be installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from streamseg.pipelines import bench_peer, peers

from streamseg.errors import InputError, MissingDependency


class Recolourer:
    """Gives red pictures and remembers what it was shown."""

    name = "recolourer"

    def __init__(self):
        self.masks, self.wholes = [], []

    def network(self, picture):
        self.masks.append(picture)

    def whole(self, picture, background):
        self.wholes.append((picture, background))
        return np.full_like(picture, (255, 0, 0))


def test_a_peer_sees_the_frames_and_the_background(monkeypatch, few_frames):
    peer = Recolourer()
    monkeypatch.setitem(peers.PEERS, "recolourer", lambda: peer)
    result = bench_peer.against_peer(str(few_frames(count=4)), "#00ff00", "recolourer")
    assert len(peer.masks) == len(peer.wholes) == 4
    picture, background = peer.wholes[0]
    assert picture.dtype == np.uint8 and picture.shape == background.shape
    assert np.abs(background.astype(int) - (0, 255, 0)).max() < 25  # whichever matrix
    assert picture.std() > 5 and np.array_equal(picture, peer.masks[0])
    assert "recolourer" in result.table()
    assert min(result.network_ms, result.coarse_ms, result.whole_ms, result.peer_network_ms, result.peer_whole_ms) > 0


def test_rembg_without_its_model_says_where_to_put_it(monkeypatch, tmp_path):
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
