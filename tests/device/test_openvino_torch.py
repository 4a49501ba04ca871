"""The network on OpenVINO against the same in torch."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from disc import disc_image, normalise

from streamseg.device.cpu.openvino.network import OpenVINONetwork
from streamseg.network.architecture import ARCHITECTURES, convolutions
from streamseg.network.published import prepare
from streamseg.network.weights import Weights, load_weights

torch = pytest.importorskip("torch")

from streamseg.network.u2net import U2Net, from_folded  # noqa: E402


def random_weights(model: str) -> Weights:
    rng = np.random.default_rng(5)
    tensors = {}
    for layer in convolutions(ARCHITECTURES[model]):
        gain = np.float32((1.2 / (layer.in_channels * layer.kernel**2)) ** 0.5)
        tensors[f"{layer.name}.weight"] = rng.standard_normal(layer.weight_shape, np.float32) * gain
        tensors[f"{layer.name}.bias"] = rng.standard_normal(layer.out_channels, np.float32) / 10
    return Weights(model, tensors)


@pytest.mark.parametrize(("model", "size"), [("u2netp", 64), ("u2netp", 75), ("u2net", 64)])
def test_random_weights_give_what_torch_gives(model: str, size: int) -> None:
    """75 halves to odd sizes, where ceiling pools and uneven upsampling show."""
    weights = random_weights(model)
    image = np.random.default_rng(1).standard_normal((3, size, size), np.float32)
    with torch.no_grad():
        expected = from_folded(weights.architecture, weights.tensors)(torch.from_numpy(image[None]))[0, 0].numpy()
    got = OpenVINONetwork(weights, size).saliency(image)
    assert got.std() > 0.01
    np.testing.assert_allclose(got, expected, atol=1e-4)


def unfolded(weights: Weights) -> dict[str, np.ndarray]:
    """A state dict with batch norms drawn at random that folds to ``weights``."""
    rng = np.random.default_rng(4)
    state = dict(weights.tensors)
    for layer in convolutions(weights.architecture):
        if layer.norm is None:
            continue
        gamma, beta, mean, variance = rng.uniform(0.5, 1.5, (4, layer.out_channels)).astype(np.float32)
        scale = gamma / np.sqrt(variance + 1e-5)
        state[f"{layer.name}.weight"] = state[f"{layer.name}.weight"] / scale.reshape(-1, 1, 1, 1)
        state[f"{layer.name}.bias"] = (state[f"{layer.name}.bias"] - beta) / scale + mean
        parts = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance}
        state |= {f"{layer.norm}.{part}": values for part, values in parts.items()}
        state[f"{layer.norm}.num_batches_tracked"] = np.array(1)
    return state


def test_unfolded_torch_agrees() -> None:
    network, model = OpenVINONetwork(load_weights(), size=128), U2Net().eval()
    model.load_state_dict({name: torch.from_numpy(v) for name, v in unfolded(network.weights).items()})
    image = normalise(disc_image(128))
    with torch.no_grad():
        expected = model(torch.from_numpy(image[None]))[0, 0].numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(network.saliency(image), expected, atol=1e-4)


def test_packaged_weights_on_a_real_image_give_what_torch_gives(shared_data: Path) -> None:
    weights, size = load_weights(), 160
    # In float64: torch's own rounding in float32 is as large as the bound, and another on each processor.
    reference, network = from_folded(weights.architecture, weights.tensors).double(), OpenVINONetwork(weights, size)
    with av.open(str(shared_data / "official" / "images" / "girl.png")) as container:
        image = prepare(next(container.decode(video=0)).to_ndarray(format="rgb24"), size)
    with torch.no_grad():
        expected = reference(torch.from_numpy(image[None]).double())[0, 0].numpy()
    np.testing.assert_allclose(network.saliency(image), expected, atol=1e-4)
