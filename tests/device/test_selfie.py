"""MediaPipe's network for selfies: the same map as MediaPipe's, in OpenVINO and in torch."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.device.cpu.openvino.selfie import SelfieNetwork
from streamseg.errors import InputError, OptionError, WeightsError
from streamseg.network import selfie

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ("clip.mp4", "beach.jpg", "studio.jpg")
REFERENCE = Path(__file__).with_name("selfie_reference.json")


def sample(name: str) -> np.ndarray:
    """The first frame: uint8 RGB [256, 256, 3]."""
    with av.open(str(ROOT / "samples" / name)) as container:
        return next(container.decode(video=0)).reformat(256, 256, "rgb24").to_ndarray()


def tile_means(saliency: np.ndarray) -> np.ndarray:
    return saliency.reshape(16, 16, 16, 16).mean((1, 3))


@pytest.fixture(scope="module")
def network() -> SelfieNetwork:
    return SelfieNetwork(threads=1)


def torch_map(rgb: np.ndarray) -> np.ndarray:
    torch = pytest.importorskip("torch")
    from streamseg.network.selfie_torch import SelfieModule

    planes = torch.from_numpy(rgb.transpose(2, 0, 1)[None] / np.float32(255))
    with torch.inference_mode():
        return SelfieModule().eval()(planes)[0, 0].numpy()


def test_gives_what_mediapipe_gives(network):
    """scripts/selfie_reference.py made the reference; in thousandths, and scalers differ by a code value."""
    expected = np.array(json.loads(REFERENCE.read_text(encoding="utf-8"))["thousandths"]) / 1000
    got = tile_means(network(sample("clip.mp4")))
    assert np.abs(got - expected).mean() < 0.001
    np.testing.assert_allclose(got, expected, atol=0.02)


@pytest.mark.parametrize("name", SAMPLES)
def test_torch_gives_the_same_map(network, name):
    rgb = sample(name)
    np.testing.assert_allclose(torch_map(rgb), network(rgb), atol=1e-3)


def test_bytes_and_normalised_input_agree(network):
    rgb = sample("clip.mp4")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalised = ((rgb / 255 - mean) / deviation).transpose(2, 0, 1).astype(np.float32)
    np.testing.assert_allclose(network.saliency(normalised), network(rgb), atol=1e-3)


def test_images_in_flight_do_not_mix():
    network = SelfieNetwork(threads=1, in_flight=2)
    images = [sample(name) for name in SAMPLES]
    pending = [network.start(image) for image in images]
    for image, each in zip(images, pending, strict=True):
        np.testing.assert_allclose(each.result(), network(image), atol=1e-4)


def test_another_size_and_options_out_of_range_are_refused(network):
    with pytest.raises(InputError, match=r"expected uint8 \(256, 256, 3\)"):
        network(np.zeros((320, 320, 3), np.uint8))
    with pytest.raises(OptionError, match="in_flight is 0"):
        SelfieNetwork(in_flight=0)


def test_an_altered_file_is_refused(monkeypatch, tmp_path):
    data = bytearray(selfie.SELFIE_WEIGHTS.read_bytes())
    data[-1] ^= 1
    copy = tmp_path / "selfie.safetensors"
    copy.write_bytes(data)
    monkeypatch.setattr(selfie, "SELFIE_WEIGHTS", copy)
    monkeypatch.setenv("STREAMSEG_CACHE", "")  # the network that other tests share would be taken
    with pytest.raises(WeightsError, match="missing or altered"):
        SelfieNetwork()


def test_the_converter_refuses_another_file(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("convert_selfie", ROOT / "scripts" / "convert_selfie.py")
    converter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(converter)
    source, target = tmp_path / "other.tflite", tmp_path / "out.safetensors"
    source.write_bytes(b"another network")
    assert converter.main([str(source), str(target)]) == 1
    assert "take the file from mediapipe 0.10.21" in capsys.readouterr().err
    assert not target.exists()
