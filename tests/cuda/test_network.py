"""The network in torch: in float32 equal to the reference, in half precision as good."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch, which the cuda device is written with")

from streamseg.device.cpu.openvino.network import OpenVINONetwork  # noqa: E402
from streamseg.device.cuda.network import CapturedNetwork, FusedNetwork  # noqa: E402
from streamseg.errors import OptionError  # noqa: E402
from streamseg.metrics.saliency import mae  # noqa: E402
from streamseg.network.architecture import INPUT_SIZE  # noqa: E402
from streamseg.network.published import prepare, published_map  # noqa: E402
from streamseg.network.u2net import from_folded  # noqa: E402
from streamseg.network.weights import Weights, load_weights  # noqa: E402


@pytest.fixture(scope="module")
def weights():
    return load_weights()


def image_of(size=INPUT_SIZE, seed=0):
    """A bright disc on a gradient: uint8 RGB."""
    y, x = np.mgrid[0:size, 0:size] / size
    image = np.stack([40 + 60 * x, 60 + 50 * y, 120 - 60 * x], axis=2)
    image[np.hypot(x - 0.45 - 0.05 * seed, y - 0.55) < 0.22] = (230, 180, 90)
    return image.astype(np.uint8)


def channels_last(image, device):
    return torch.from_numpy(image[None]).to(device).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [96, 75])
def test_in_float32_it_equals_the_training_network(platform, weights, size):
    image = prepare(image_of(), size)
    with torch.no_grad():
        expected = from_folded(weights.architecture, weights.tensors)(torch.from_numpy(image[None]))[:, 0].numpy()
    network = FusedNetwork(weights, platform.device, torch.float32)
    got = network(channels_last(image, platform.device)).cpu().numpy()
    assert expected.std() > 0.05
    assert np.abs(got - expected).max() < 1e-4


def test_the_lite_variant_equals_the_cpus(platform, weights):
    pytest.importorskip("openvino", reason="no OpenVINO, which runs the other lite variant")
    image = prepare(image_of(), 96)
    expected = OpenVINONetwork(weights, 96, variant="lite").saliency(image)
    network = FusedNetwork(weights, platform.device, torch.float32, variant="lite")
    got = network(channels_last(image, platform.device)).cpu().numpy()
    assert np.abs(got[0] - expected).max() < 1e-4


def test_half_precision_changes_little(platform, weights):
    image = prepare(image_of())
    maps = {}
    for dtype in (torch.float32, torch.float16):
        network = FusedNetwork(weights, platform.device, dtype)
        maps[dtype] = network(channels_last(image, platform.device))[0].cpu().numpy()
    assert np.abs(maps[torch.float16] - maps[torch.float32]).mean() < 1e-3


def test_the_large_network_equals_its_reference(platform):
    """With random weights, because none are packaged; its sensitive layers have the same names."""
    from streamseg.network.architecture import U2NET, convolutions

    rng = np.random.default_rng(5)
    tensors = {}
    for layer in convolutions(U2NET):
        gain = np.float32((1.2 / (layer.in_channels * layer.kernel**2)) ** 0.5)
        tensors[f"{layer.name}.weight"] = rng.standard_normal(layer.weight_shape, np.float32) * gain
        tensors[f"{layer.name}.bias"] = rng.standard_normal(layer.out_channels, np.float32) / 10
    weights = Weights("u2net", tensors)
    image = rng.standard_normal((3, 64, 64), np.float32)
    with torch.no_grad():
        expected = from_folded(U2NET, tensors)(torch.from_numpy(image[None]))[:, 0].numpy()
    got = FusedNetwork(weights, platform.device)(channels_last(image, platform.device)).cpu().numpy()
    assert np.abs(got - expected).mean() < 5e-3


@pytest.mark.parametrize("max_batch, count", [(1, 1), (3, 2), (8, 5)])
def test_batches_equal_single_images(platform, weights, max_batch, count):
    stream = platform.stream()
    network = FusedNetwork(weights, platform.device)
    if platform.device.type != "cuda":  # only the order of the images is tested
        network = cheap
    single, several = (CapturedNetwork(network, platform, stream, batch) for batch in (1, max_batch))
    images = [torch.from_numpy(prepare(image_of(seed=seed)).transpose(1, 2, 0).copy()) for seed in range(count)]
    with platform.on(stream):
        for index, image in enumerate(images):
            several.inputs[index].copy_(image)
        several.run(count)
        for index, image in enumerate(images):
            single.inputs[0].copy_(image)
            single.run(1)
            stream.synchronize()
            got, expected = several.outputs[index].cpu().numpy(), single.outputs[0].cpu().numpy()
            assert np.abs(got - expected).max() < 5e-3
            assert expected.std() > 0.01


def test_each_size_has_memory_of_its_own(platform):
    stream = platform.stream()
    small, large = (CapturedNetwork(cheap, platform, stream, 2, size) for size in (64, 96))
    with platform.on(stream):
        for captured, value in ((large, 1.0), (small, -1.0)):
            captured.inputs.fill_(value)
            captured.run(2)
    stream.synchronize()
    assert large.outputs.shape[1:] == (96, 96) and small.outputs.shape[1:] == (64, 64)
    assert large.outputs[:2].min() > 0.7 and small.outputs[:2].max() < 0.3


def cheap(x):
    return torch.sigmoid(x.mean(1))


@pytest.mark.parametrize("batch", [0, 9])
def test_other_batches_are_refused(platform, batch):
    with pytest.raises(OptionError, match=f"batch {batch}: expected 1 to 8"):
        CapturedNetwork(cheap, platform, platform.stream(), batch)


def test_quality_on_real_images_equals_float32(platform, weights, shared_data):
    """Every thirtieth image of SOD; the figures of all are in docs/benchmarks.md."""
    from streamseg.media.images import read_image

    errors = {torch.float32: [], torch.float16: []}
    networks = {dtype: FusedNetwork(weights, platform.device, dtype) for dtype in errors}
    for path in sorted((shared_data / "sod" / "images").iterdir())[::30]:
        green, blue, red = read_image(str(path)).planes[:3]
        rgb = np.stack((red, green, blue), axis=-1)
        mask = read_image(str(next((shared_data / "sod" / "masks").glob(f"{path.stem}.*")))).planes[0] > 128
        for dtype, network in networks.items():
            seen = published_map(rgb, lambda x, net=network: net(channels_last(x, platform.device))[0].cpu().numpy())
            errors[dtype].append(mae(seen, mask))
    assert abs(np.mean(errors[torch.float16]) - np.mean(errors[torch.float32])) < 0.0005
