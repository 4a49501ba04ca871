"""The packaged network by the kernels in C, against OpenVINO on the same integers."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from whole_numbers import rounded, sums_of

from streamseg.device.cpu import kernel_network
from streamseg.device.cpu.head import COARSE_CONTRAST, HEAD_BIAS, head_layers
from streamseg.device.cpu.kernel_network import KernelNetwork, kernels_suit
from streamseg.device.cpu.open_network import open_network
from streamseg.device.cpu.openvino_network import OpenVINONetwork
from streamseg.device.cpu.quantised import QuantisedBuilder, image_levels, levels_of, quantised_tensors
from streamseg.errors import OptionError
from streamseg.matting.arrays import resize
from streamseg.network.architecture import MEAN, STD, U2NETP, Convolution, Stage, stage_layers
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.weights import load_weights

pytestmark = pytest.mark.skipif(
    not kernels_suit(), reason="the kernels were not compiled or do not suit this processor"
)

CLIP = Path(__file__).resolve().parents[2] / "samples" / "clip.mp4"


def picture(size: int) -> np.ndarray:
    with av.open(str(CLIP)) as container:
        return next(container.decode(video=0)).reformat(size, size, "rgb24").to_ndarray()


def by_openvino(size: int, detail: bool):
    """All convolutions whole, as the kernels have them."""
    tensors = {name: values for name, values in quantised_tensors().items() if ".basis" not in name}
    model = QuantisedBuilder(U2NETP, tensors, detail).build(size, 1, normalised=False)
    compiled = import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda rgb: compiled([rgb[None]])[0][0, 0]


@pytest.mark.parametrize("detail", [True, False])
def test_the_map_is_openvinos(detail):
    """Up to how OpenVINO rounds halves when it upsamples."""
    ours, theirs = KernelNetwork(detail=detail), by_openvino(320, detail)
    image = picture(320)
    for given in (image, 255 - image, np.ascontiguousarray(image[::-1])):
        got, expected = ours(given), theirs(given)
        assert got.shape == expected.shape and got.dtype == np.float32
        assert np.abs(got - expected).mean() < 1e-3


class Twin:
    """The same in NumPy."""

    def __init__(self, detail: bool) -> None:
        self.detail, self.tensors = detail, quantised_tensors()

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        size, (step, _) = len(rgb), image_levels()
        x, unit, down = levels_of((rgb / 255 - np.array(MEAN)) / np.array(STD)), 255 * step, []
        for stage in U2NETP.encoder:
            down.append(self.stage(stage, x, unit))
            x, unit = pooled(down[-1]), 1.0
        below, features = down.pop(), {}
        features[6] = below
        for number, stage in zip(range(5, 0, -1), U2NETP.decoder if self.detail else U2NETP.decoder[:-1], strict=False):
            below = features[number] = self.stage(stage, joined(below, down.pop()))
        logits = self.tensors[f"{HEAD_BIAS[self.detail]}.bias"][0] + sum(
            self.side(name, features[k], size) for k, name in head_layers(self.detail)
        )
        return 1 / (1 + np.exp(-logits * (1 if self.detail else COARSE_CONTRAST)))

    def stage(self, stage: Stage, x: np.ndarray, unit: float = 1.0) -> np.ndarray:
        first, second, *layers = stage_layers(stage)
        skip = self.unit(first, x, unit)
        down = [self.unit(second, skip)]
        for layer in layers[: stage.height - 2]:
            down.append(self.unit(layer, pooled(down[-1]) if stage.pooled else down[-1]))
        below = self.unit(layers[stage.height - 2], down[-1])
        for layer in layers[stage.height - 1 :]:
            below = self.unit(layer, joined(below, down.pop()))
        return np.minimum(below.astype(int) + skip, 255).astype(np.uint8)

    def unit(self, layer: Convolution, x: np.ndarray, unit: float = 1.0) -> np.ndarray:
        weight, step, bias = (self.tensors[f"{layer.name}.{part}"] for part in ("weight", "step", "bias"))
        times = 576 if layer.dilation == 1 and len(x) % 4 == 0 else 1
        return rounded(sums_of(x, weight, layer.dilation), step, bias, unit, times)

    def side(self, name: str, x: np.ndarray, size: int) -> np.ndarray:
        kernel, step = self.tensors[f"{name}.weight"], self.tensors[f"{name}.step"]
        planes = np.pad(sums_of(x, kernel) * (step / 255), ((1, 1), (1, 1), (0, 0)))
        taps = [planes[k // 3 :, k % 3 :, k][: len(x), : len(x)] for k in range(9)]
        return resize(np.sum(taps, axis=0).astype(np.float32), size, size)


def pooled(x: np.ndarray) -> np.ndarray:
    half = len(x) // 2
    return x.reshape(half, 2, half, 2, -1).max(axis=(1, 3))


def joined(below: np.ndarray, skip: np.ndarray) -> np.ndarray:
    if len(below) == len(skip):
        return np.concatenate([below, skip], axis=2)
    planes = [resize(plane.astype(np.float32), *skip.shape[:2]) for plane in below.transpose(2, 0, 1)]
    return np.concatenate([np.floor(np.stack(planes, axis=2) + 0.5).astype(np.uint8), skip], axis=2)


@pytest.mark.parametrize("detail", [True, False])
@pytest.mark.parametrize("size", [64, 128])
def test_the_map_is_that_of_plain_arithmetic(size, detail):
    image, ours, twin = picture(size), KernelNetwork(size, detail=detail), Twin(detail)
    got, expected = ours(image), twin(image)
    assert expected.std() > 0.005
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_threads_do_not_change_a_bit():
    image = picture(320)
    expected = KernelNetwork(threads=1, detail=False)(image)
    for threads in (2, 3, 7):
        network = KernelNetwork(threads=threads, detail=False)
        for _ in range(4):
            assert np.array_equal(network(image), expected)


def test_frames_in_flight_keep_their_own_results():
    images = [np.roll(picture(320), 31 * k, axis=1) for k in range(5)]
    one, several = KernelNetwork(detail=False), KernelNetwork(in_flight=2, threads=4, detail=False)
    pending = [several.start(image) for image in images]  # more than fit: nobody has taken a result yet
    for image, begun in zip(images, pending, strict=True):
        assert np.array_equal(begun.result(), one(image))


def test_it_is_chosen_where_it_suits(monkeypatch):
    assert isinstance(open_network(), KernelNetwork)
    assert isinstance(open_network(size=165), OpenVINONetwork)
    assert isinstance(open_network(load_weights(), size=64), OpenVINONetwork)
    monkeypatch.setattr(kernel_network, "compiled_kernels", lambda: None)
    assert isinstance(open_network(size=64), OpenVINONetwork)
    with pytest.raises(OptionError, match="use open_network"):
        KernelNetwork()
