"""Factorised convolutions, and how the factors are found."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.device.cpu.openvino.graph import GraphBuilder, build_model
from streamseg.network.architecture import U2NETP, convolutions
from streamseg.network.head import fold_head
from streamseg.network.quantised import basis_name, restored_name
from streamseg.network.weights import load_weights

pytest.importorskip("torch", reason="no torch, with which gradients are computed")

from streamseg.pipelines.quantize import factors
from streamseg.pipelines.quantize.calibration import video_input


def run_model(model, image):
    openvino = pytest.importorskip("openvino")
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([image])[0]


@pytest.mark.parametrize("name", ["stage1.rebnconv1d.conv_s1", "stage2d.rebnconvin.conv_s1"])
def test_exact_factors_change_nothing(name):
    weights = load_weights()
    weight, bias = weights.tensors[f"{name}.weight"], weights.tensors[f"{name}.bias"]
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0].astype(np.float32)
    exact = {
        f"{basis_name(name)}.weight": np.einsum("or,oikl->rikl", rotation, weight),
        f"{basis_name(name)}.bias": rotation.T @ bias + 2,
        f"{restored_name(name)}.weight": rotation[..., None, None],
        f"{restored_name(name)}.bias": -rotation @ np.full(64, 2, np.float32),
    }
    tensors = {**weights.tensors, **fold_head(weights.tensors), **exact}
    y, x = np.mgrid[0:96, 0:96] / 96
    image = np.full((1, 96, 96, 3), 70, np.uint8)
    image[0, np.hypot(x - 0.45, y - 0.55) < 0.22] = (230, 180, 90)
    lite, full = (GraphBuilder(U2NETP, tensors, variant).build(96, 1, normalised=False) for variant in ("lite", "full"))
    got, expected = run_model(lite, image), run_model(build_model(weights, size=96, variant="lite"), image)
    assert expected.std() > 0.1
    assert not np.array_equal(got, expected)
    assert np.array_equal(run_model(full, image), run_model(build_model(weights, size=96), image))
    assert np.abs(got - expected).max() < 1e-3


def regression_problem(rank, floor):
    """Inputs, outputs and weights of a convolution of that rank; negative outputs are scaled by 1 to ``floor``."""
    rng = np.random.default_rng(2)
    patches = rng.normal(size=(4000, 27)).astype(np.float32) + 1
    weight = rng.normal(size=(16, rank)) @ rng.normal(size=(rank, 27)) / rank
    outputs = (patches @ weight.T).astype(np.float32) - 0.5
    outputs = np.where(outputs < 0, outputs * rng.uniform(1, floor, outputs.shape), outputs).astype(np.float32)
    return patches, outputs, weight


def fitted(patches, outputs, rank, weight, importance=None, channels=None):
    """The outputs of both factors after the ReLU."""
    importance = np.ones(len(patches), np.float32) if importance is None else importance
    channels = np.ones(outputs.shape[1], np.float32) if channels is None else channels
    samples = factors.Samples(patches, outputs, importance)
    basis, restored, bias = factors.reduced_rank_regression(samples, channels, rank, weight)
    assert basis.shape == (rank, 27) and restored.shape == (16, rank) and bias.shape == (16,)
    return np.maximum(patches @ basis.T @ restored.T + bias, 0)


def relative_error(got, outputs):
    """Mean squared error after the ReLU, relative to the variance."""
    return ((got - np.maximum(outputs, 0)) ** 2).mean() / np.maximum(outputs, 0).var()


def test_a_convolution_of_low_rank_is_recovered():
    patches, outputs, weight = regression_problem(5, 1)
    assert relative_error(fitted(patches, outputs, 5, weight), outputs) < 1e-6


def test_outputs_below_zero_need_not_match(monkeypatch):
    patches, outputs, weight = regression_problem(5, 6)
    error = relative_error(fitted(patches, outputs, 5, weight), outputs)
    monkeypatch.setattr(factors, "_ROUNDS", 0)
    assert error < 0.25 * relative_error(fitted(patches, outputs, 5, weight), outputs)


def test_a_lower_rank_has_a_larger_error():
    patches, outputs, weight = regression_problem(8, 1)
    errors = [relative_error(fitted(patches, outputs, rank, weight), outputs) for rank in (2, 4, 6, 8)]
    assert errors == sorted(errors, reverse=True) and errors[0] > 100 * errors[-1]


def test_what_is_more_important_is_preserved_better():
    patches, outputs, weight = regression_problem(8, 1)
    channels = np.repeat([20.0, 0.05], 8).astype(np.float32)
    important = outputs[:, 0] > np.quantile(outputs[:, 0], 0.9)
    importance = np.where(important, 20, 0.05).astype(np.float32)
    plain, by_channel, by_position = (
        fitted(patches, outputs, 4, weight, **more) for more in ({}, {"channels": channels}, {"importance": importance})
    )
    assert relative_error(by_channel[:, :8], outputs[:, :8]) < 0.8 * relative_error(plain[:, :8], outputs[:, :8])
    plain_error = relative_error(plain[important], outputs[important])
    assert relative_error(by_position[important], outputs[important]) < 0.8 * plain_error


def test_positions_are_important_where_the_map_depends_on_them():
    name = "stage2d.rebnconv1d.conv_s1"
    y, x = np.mgrid[0:160, 0:160] / 160
    image = np.full((160, 160, 3), 70, np.float32)
    image[np.hypot(x - 0.45, y - 0.55) < 0.22] = (230, 180, 90)
    inputs = [video_input(image.astype(np.uint8), 160)]
    positions, channels = factors.measure_importance(dict(load_weights().tensors), inputs, [name])[name]
    assert [values.shape for values in positions] == [(80, 80)] and channels.shape == (64,)
    edge = np.abs(np.hypot(x - 0.45, y - 0.55) - 0.22)[::2, ::2] < 0.05
    assert positions[0][edge].mean() > 2 * positions[0][~edge].mean()


def test_samples_are_a_convolutions_inputs_and_outputs():
    """The weights applied to the sampled inputs give the sampled outputs."""
    tensors = dict(load_weights().tensors)
    (layer,) = (layer for layer in convolutions(U2NETP) if layer.name == "stage2d.rebnconv1d.conv_s1")
    image = np.random.default_rng(3).normal(size=(1, 3, 96, 96)).astype(np.float32)
    importance = np.random.default_rng(5).random((48, 48), np.float32)
    samples = factors.draw_samples(tensors, tensors, layer, [image], [importance], np.random.default_rng(4))
    patches, outputs, drawn = samples
    assert len(patches) == len(outputs) == len(drawn) and np.isin(drawn, importance).all()
    got = patches @ tensors[f"{layer.name}.weight"].reshape(64, -1).T + tensors[f"{layer.name}.bias"]
    assert np.abs(outputs).max() > 1
    assert np.abs(got - outputs).max() < 1e-3 * np.abs(outputs).max()
