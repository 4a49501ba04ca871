"""Convolutions in two, and the script that finds them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from streamseg.device.cpu.graph import GraphBuilder, basis_name, build_model, restored_name
from streamseg.device.cpu.head import fold_head
from streamseg.network.architecture import U2NETP
from streamseg.network.weights import load_weights

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def factorise():
    pytest.importorskip("torch", reason="no torch, which the script finds gradients with")
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location("factorise", SCRIPTS / "factorise.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPTS))
    return module


def maps_of(model, picture):
    openvino = pytest.importorskip("openvino")
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([picture])[0]


@pytest.mark.parametrize("name", ["stage1.rebnconv1d.conv_s1", "stage2d.rebnconvin.conv_s1"])
def test_a_convolution_in_two_gives_the_same(name):
    weights = load_weights()
    weight, bias = weights.tensors[f"{name}.weight"], weights.tensors[f"{name}.bias"]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0].astype(np.float32)
    in_two = {
        f"{basis_name(name)}.weight": np.einsum("or,oikl->rikl", turn, weight),
        f"{basis_name(name)}.bias": turn.T @ bias + 2,
        f"{restored_name(name)}.weight": turn[..., None, None],
        f"{restored_name(name)}.bias": -turn @ np.full(64, 2, np.float32),
    }
    tensors = {**weights.tensors, **fold_head(weights.tensors), **in_two}
    y, x = np.mgrid[0:160, 0:160] / 160
    picture = np.full((1, 160, 160, 3), 70, np.uint8)
    picture[0, np.hypot(x - 0.45, y - 0.55) < 0.22] = (230, 180, 90)
    coarse, fine = (GraphBuilder(U2NETP, tensors, detail).build(160, 1, normalised=False) for detail in (False, True))
    got, expected = maps_of(coarse, picture), maps_of(build_model(weights, size=160, detail=False), picture)
    assert expected.std() > 0.1
    assert not np.array_equal(got, expected)
    assert np.array_equal(maps_of(fine, picture), maps_of(build_model(weights, size=160), picture))
    assert np.abs(got - expected).max() < 1e-3


def regression(rank, floor):
    """What a convolution of that rank sees and gives; where it gives less than zero, down to ``floor`` of anything."""
    rng = np.random.default_rng(2)
    seen = rng.normal(size=(4000, 27)).astype(np.float32) + 1
    weight = rng.normal(size=(16, rank)) @ rng.normal(size=(rank, 27)) / rank
    given = (seen @ weight.T).astype(np.float32) - 0.5
    given = np.where(given < 0, given * rng.uniform(1, floor, given.shape), given).astype(np.float32)
    return seen, given, weight


def found(factorise, seen, given, rank, weight, worth=None, channels=None):
    """What is above zero of what the two convolutions give together."""
    worth = np.ones(len(seen), np.float32) if worth is None else worth
    channels = np.ones(given.shape[1], np.float32) if channels is None else channels
    sampled = factorise.Samples(seen, given, worth)
    basis, restored, bias = factorise.reduced(sampled, channels, rank, weight)
    assert basis.shape == (rank, 27) and restored.shape == (16, rank) and bias.shape == (16,)
    return np.maximum(seen @ basis.T @ restored.T + bias, 0)


def missed(reached, given):
    """Mean squared error of what is above zero, of its variance."""
    return ((reached - np.maximum(given, 0)) ** 2).mean() / np.maximum(given, 0).var()


def test_what_is_of_that_rank_is_found(factorise):
    seen, given, weight = regression(5, 1)
    assert missed(found(factorise, seen, given, 5, weight), given) < 1e-6


def test_what_its_relu_hides_need_not_be_met(factorise, monkeypatch):
    seen, given, weight = regression(5, 6)
    error = missed(found(factorise, seen, given, 5, weight), given)
    monkeypatch.setattr(factorise, "ROUNDS", 0)
    assert error < 0.25 * missed(found(factorise, seen, given, 5, weight), given)


def test_fewer_maps_lose_more(factorise):
    seen, given, weight = regression(8, 1)
    errors = [missed(found(factorise, seen, given, rank, weight), given) for rank in (2, 4, 6, 8)]
    assert errors == sorted(errors, reverse=True) and errors[0] > 100 * errors[-1]


def test_what_is_worth_more_is_kept_better(factorise):
    seen, given, weight = regression(8, 1)
    channels, dear = np.repeat([20.0, 0.05], 8).astype(np.float32), given[:, 0] > np.quantile(given[:, 0], 0.9)
    worth = np.where(dear, 20, 0.05).astype(np.float32)
    plain, by_channel, by_place = (
        found(factorise, seen, given, 4, weight, **more) for more in ({}, {"channels": channels}, {"worth": worth})
    )
    assert missed(by_channel[:, :8], given[:, :8]) < 0.8 * missed(plain[:, :8], given[:, :8])
    assert missed(by_place[dear], given[dear]) < 0.8 * missed(plain[dear], given[dear])


def test_worth_is_where_the_map_depends_on_a_convolution(factorise, monkeypatch):
    name = "stage2d.rebnconv1d.conv_s1"
    monkeypatch.setattr(factorise, "RANKS", {name: 8})
    y, x = np.mgrid[0:320, 0:320] / 320
    picture = np.full((320, 320, 3), 70, np.float32)
    picture[np.hypot(x - 0.45, y - 0.55) < 0.22] = (230, 180, 90)
    data = [factorise.fixed(picture.astype(np.uint8))]
    places, channels = factorise.importance(dict(load_weights().tensors), data)[name]
    assert [values.shape for values in places] == [(160, 160)] and channels.shape == (64,)
    edge = np.abs(np.hypot(x - 0.45, y - 0.55) - 0.22)[::2, ::2] < 0.05
    assert places[0][edge].mean() > 2 * places[0][~edge].mean()


def test_samples_are_what_a_convolution_saw(factorise):
    """Taken together with the weights they give what it gave."""
    tensors = dict(load_weights().tensors)
    (layer,) = (layer for layer in factorise.convolutions(U2NETP) if layer.name == "stage2d.rebnconv1d.conv_s1")
    picture = np.random.default_rng(3).normal(size=(1, 3, 320, 320)).astype(np.float32)
    worth = np.random.default_rng(5).random((160, 160), np.float32)
    seen, given, there = factorise.samples(tensors, tensors, layer, [picture], [worth], np.random.default_rng(4))
    assert len(seen) == len(given) == len(there) and np.isin(there, worth).all()
    reached = seen @ tensors[f"{layer.name}.weight"].reshape(64, -1).T + tensors[f"{layer.name}.bias"]
    assert np.abs(given).max() > 1
    assert np.abs(reached - given).max() < 1e-3 * np.abs(given).max()
