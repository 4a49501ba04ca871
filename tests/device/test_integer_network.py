"""The packaged network in kernels of our own, against OpenVINO on the same integers."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from integer_reference import convolution_sums, requantised

from streamseg.device.cpu.compiled import compiled_kernels
from streamseg.device.cpu.integer import network as integer_network
from streamseg.device.cpu.integer.network import IntegerNetwork, integer_network_supported
from streamseg.device.cpu.integer.plan import Instructions, supported_instructions
from streamseg.device.cpu.open_network import open_network
from streamseg.device.cpu.openvino.network import OpenVINONetwork
from streamseg.device.cpu.openvino.quantised_graph import QuantisedBuilder
from streamseg.device.cpu.quantised import packaged_quantised
from streamseg.errors import DeviceError, OptionError
from streamseg.matting.arrays import resize
from streamseg.network.architecture import MEAN, STD, U2NETP, Convolution, Stage, Variant, stage_layers
from streamseg.network.head import HEAD_BIAS, LITE_CONTRAST, head_layers
from streamseg.network.quantised import image_levels, levels_of
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.weights import load_weights

pytestmark = pytest.mark.skipif(
    not integer_network_supported(), reason="the kernels were not compiled or do not run on this processor"
)

CLIP = Path(__file__).resolve().parents[2] / "samples" / "clip.mp4"


def sample_image(size: int) -> np.ndarray:
    with av.open(str(CLIP)) as container:
        return next(container.decode(video=0)).reformat(size, size, "rgb24").to_ndarray()


def openvino_network(size: int, variant: Variant):
    """All convolutions whole, not factorised, as the integer network has them."""
    tensors = {name: values for name, values in packaged_quantised().tensors.items() if ".basis" not in name}
    model = QuantisedBuilder(U2NETP, tensors, variant).build(size, 1, normalised=False)
    compiled = import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda rgb: compiled([rgb[None]])[0][0, 0]


@pytest.mark.parametrize(("size", "variant"), [(224, "full"), (320, "lite")])
def test_the_map_is_openvinos(size, variant):
    """Up to how OpenVINO rounds halves when it upsamples."""
    ours, theirs = IntegerNetwork(size=size, variant=variant), openvino_network(size, variant)
    image = sample_image(size)
    for rgb in (image, 255 - image, np.ascontiguousarray(image[::-1])):
        got, expected = ours(rgb), theirs(rgb)
        assert got.shape == expected.shape and got.dtype == np.float32
        assert np.abs(got - expected).mean() < 2e-3


class NumPyNetwork:
    """The same network in NumPy."""

    def __init__(self, variant: Variant, matrix_tiles: bool) -> None:
        self.variant, self.tensors = variant, packaged_quantised().tensors
        self.matrix_tiles = matrix_tiles

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        size, (step, _) = len(rgb), image_levels()
        x, unit, skips = levels_of((rgb / 255 - np.array(MEAN)) / np.array(STD)), 255 * step, []
        for stage in U2NETP.encoder:
            skips.append(self.stage(stage, x, unit))
            x, unit = pool(skips[-1]), 1.0
        h, features = skips.pop(), {}
        features[6] = h
        decoder = U2NETP.decoder if self.variant == "full" else U2NETP.decoder[:-1]
        for number, stage in zip(range(5, 0, -1), decoder, strict=False):
            h = features[number] = self.stage(stage, upsample_and_join(h, skips.pop()))
        logits = self.tensors[f"{HEAD_BIAS[self.variant]}.bias"][0] + sum(
            self.side(name, features[k], size) for k, name in head_layers(self.variant)
        )
        return 1 / (1 + np.exp(-logits * (1 if self.variant == "full" else LITE_CONTRAST)))

    def stage(self, stage: Stage, x: np.ndarray, unit: float = 1.0) -> np.ndarray:
        first, second, *layers = stage_layers(stage)
        residual = self.unit(first, x, unit)
        skips = [self.unit(second, residual)]
        for layer in layers[: stage.height - 2]:
            skips.append(self.unit(layer, pool(skips[-1]) if stage.pooled else skips[-1]))
        h = self.unit(layers[stage.height - 2], skips[-1])
        for layer in layers[stage.height - 1 :]:
            h = self.unit(layer, upsample_and_join(h, skips.pop()))
        return np.minimum(h.astype(int) + residual, 255).astype(np.uint8)

    def unit(self, layer: Convolution, x: np.ndarray, unit: float = 1.0) -> np.ndarray:
        weight, step, bias = (self.tensors[f"{layer.name}.{tensor}"] for tensor in ("weight", "step", "bias"))
        winograd = layer.dilation == 1 and len(x) % 4 == 0 and not self.matrix_tiles
        factor = 576 if winograd else 1
        return requantised(convolution_sums(x, weight, layer.dilation), step, bias, unit, factor)

    def side(self, name: str, x: np.ndarray, size: int) -> np.ndarray:
        kernel, step = self.tensors[f"{name}.weight"], self.tensors[f"{name}.step"]
        planes = np.pad(convolution_sums(x, kernel) * (step / 255), ((1, 1), (1, 1), (0, 0)))
        taps = [planes[k // 3 :, k % 3 :, k][: len(x), : len(x)] for k in range(9)]
        return resize(np.sum(taps, axis=0).astype(np.float32), size, size)


def pool(x: np.ndarray) -> np.ndarray:
    half = len(x) // 2
    return x[: 2 * half, : 2 * half].reshape(half, 2, half, 2, -1).max(axis=(1, 3))


def upsample_and_join(h: np.ndarray, skip: np.ndarray) -> np.ndarray:
    if len(h) == len(skip):
        return np.concatenate([h, skip], axis=2)
    planes = [resize(plane.astype(np.float32), *skip.shape[:2]) for plane in h.transpose(2, 0, 1)]
    return np.concatenate([np.floor(np.stack(planes, axis=2) + 0.5).astype(np.uint8), skip], axis=2)


@pytest.mark.parametrize("instructions", supported_instructions(), ids=lambda each: each.name)
@pytest.mark.parametrize(("size", "variant"), [(64, "lite"), (96, "full")])
def test_the_map_is_numpys(size, variant, instructions):
    image, network = sample_image(size), IntegerNetwork(size=size, variant=variant, instructions=instructions)
    reference = NumPyNetwork(variant, matrix_tiles=instructions == Instructions.AMX)
    got, expected = network(image), reference(image)
    assert expected.std() > 0.005
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_the_number_of_threads_does_not_change_a_bit():
    image = sample_image(320)
    expected = IntegerNetwork(threads=1, variant="lite")(image)
    for threads in (2, 3, 7):
        network = IntegerNetwork(threads=threads, variant="lite")
        for _ in range(4):
            assert np.array_equal(network(image), expected)


def test_images_in_flight_keep_their_own_results():
    images = [np.roll(sample_image(320), 31 * k, axis=1) for k in range(5)]
    one, several = IntegerNetwork(variant="lite"), IntegerNetwork(in_flight=2, threads=4, variant="lite")
    pending = [several.start(image) for image in images]  # more than can be in flight: no result was fetched yet
    for image, started in zip(images, pending, strict=True):
        assert np.array_equal(started.result(), one(image))


def test_it_is_chosen_for_what_it_can_run():
    assert isinstance(open_network(), IntegerNetwork)
    assert isinstance(open_network(size=165), OpenVINONetwork)
    assert isinstance(open_network(load_weights(), size=64), OpenVINONetwork)


def test_kernels_of_another_version_are_refused_in_one_line():
    with pytest.raises(DeviceError, match="another version, without streamseg_of_tomorrow: install streamseg again"):
        compiled_kernels().streamseg_of_tomorrow()


def test_instructions_can_be_limited(monkeypatch):
    found = supported_instructions()
    monkeypatch.setenv("STREAMSEG_INSTRUCTIONS", "avx2")
    assert supported_instructions() == (Instructions.AVX2,)
    monkeypatch.setenv("STREAMSEG_INSTRUCTIONS", "AMX")
    assert supported_instructions() == found
    monkeypatch.setenv("STREAMSEG_INSTRUCTIONS", "mmx")
    with pytest.raises(OptionError, match="STREAMSEG_INSTRUCTIONS is 'mmx': expected avx2, avx_vnni, avx512_vnni, amx"):
        IntegerNetwork()


def test_openvino_is_chosen_without_compiled_kernels(monkeypatch):
    monkeypatch.setattr(integer_network, "supported_instructions", lambda: ())
    assert isinstance(open_network(size=64), OpenVINONetwork)
    with pytest.raises(OptionError, match="use open_network"):
        IntegerNetwork()
