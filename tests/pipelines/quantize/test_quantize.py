"""streamseg quantize: the published weights once more, from a few images at a small size."""

from __future__ import annotations

import av
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from streamseg.device.cpu.integer.network import IntegerNetwork, integer_network_supported
from streamseg.device.cpu.integer.packing import pack_winograd
from streamseg.device.cpu.open_network import open_network
from streamseg.device.cpu.openvino.network import OpenVINONetwork
from streamseg.errors import InputError, OptionError, OutputError, WeightsError
from streamseg.media.images import encode_png, image_frame
from streamseg.network.quantised import read_quantised
from streamseg.network.weights import load_weights

torch = pytest.importorskip("torch", reason="no torch, with which factors are found")

from streamseg.pipelines import Segmenter  # noqa: E402
from streamseg.pipelines.quantize import command, factors  # noqa: E402
from streamseg.pipelines.quantize.absorption import absorb  # noqa: E402
from streamseg.pipelines.quantize.calibration import calibration_of  # noqa: E402
from streamseg.pipelines.quantize.command import quantize_weights  # noqa: E402
from streamseg.pipelines.quantize.integers import quantise_weights  # noqa: E402
from streamseg.pipelines.quantize.ranges import Range  # noqa: E402

SIZE = 96


@pytest.fixture(scope="module")
def frames(sample_clip):
    """Of the clip so many, evenly spread."""
    with av.open(str(sample_clip)) as container:
        decoded = list(container.decode(video=0))

    def of(count):
        return [frame.to_ndarray(format="rgb24") for frame in decoded[:: len(decoded) // count][:count]]

    return of


@pytest.fixture(scope="module")
def folder(tmp_path_factory, frames):
    """Frames of the clip at half its size, whole and cropped; all have masks."""
    folder = tmp_path_factory.mktemp("set")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    for number, frame in enumerate(each[::2, ::2] for each in frames(10)):
        rows, columns = frame.shape[:2]
        crop = frame if number % 2 else frame[rows // 8 :, columns // 6 : -columns // 6]
        for part, image in (("images", crop), ("masks", crop // 2)):
            image = np.ascontiguousarray(image)
            (folder / part / f"{number}.png").write_bytes(encode_png(image_frame(image), False))
    return folder


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    """The file, and the report; factors are sought less thoroughly, for a quick test."""
    threads, out = torch.get_num_threads(), tmp_path_factory.mktemp("out") / "own-int8.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "_FEW", 3)
        patch.setattr(factors, "_ROUNDS", 2)
        patch.setattr(factors, "_POSITIONS", 500)
        report = quantize_weights("tuned", [folder / "images"], out, [SIZE], threads=1)
    torch.set_num_threads(threads)
    return out, report


@pytest.fixture(params=[OpenVINONetwork, IntegerNetwork])
def implementation(request):
    if request.param is IntegerNetwork and not integer_network_supported():
        pytest.skip("the kernels were not compiled or do not run on this processor")
    return request.param


@pytest.mark.parametrize("variant", ["full", "lite"])
def test_the_maps_are_those_of_the_packaged_weights(made, implementation, variant, frames):
    """Within .04 on average, though it was made from eight images at a small size, and they from many."""
    own, packaged = (implementation(weights, SIZE, 2, variant=variant) for weights in (read_quantised(made[0]), None))
    for frame in frames(3):
        small = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(SIZE, SIZE).to_ndarray()
        got, expected = own(small), packaged(small)
        assert expected.max() > 0.9
        assert np.abs(got - expected).mean() < 0.04


@pytest.mark.parametrize("grey", [0, 60, 255])
def test_nothing_is_found_in_a_flat_image(made, implementation, grey):
    network = implementation(read_quantised(made[0]), SIZE, 2)
    assert network(np.full((SIZE, SIZE, 3), grey, np.uint8)).max() < 0.2


def test_the_report_says_what_was_lost(made):
    _, report = made
    assert report.about["images"] == report.about["with masks"] == 2 and report.about["calibration images"] == 8
    assert [(row["input"], row["variant"]) for row in report.rows] == [(SIZE, "full"), (SIZE, "lite")]
    for row in report.rows:
        assert 0 < row["mean_difference"] < 0.03 < row["largest_difference"] <= 1
        assert abs(row["iou_float32"] - row["iou_int8"]) < 0.1 and abs(row["mae_float32"] - row["mae_int8"]) < 0.03


def test_the_file_tells_what_it_was_made_of(made):
    with safe_open(str(made[0]), "numpy") as file:
        about = file.metadata()
    assert about["quantised from"].startswith("u2netp-tuned.safetensors, SHA-256 ") and about["licence"] == "Apache-2.0"
    assert about["calibrated"] == f"8 images at {SIZE}"


def test_a_segmenter_runs_it_in_8_bits(made, frames):
    (frame,) = frames(1)
    device = Segmenter(weights=made[0], precision="int8").device
    prepared = device.prepare(image_frame(frame))
    expected = open_network(read_quantised(made[0]))(prepared.rgb)
    assert expected.max() > 0.9
    assert np.array_equal(device.saliency(device.network(prepared)), expected)
    for options in ({"precision": "float32"}, {"model": "u2net"}):
        with pytest.raises(OptionError, match="holds u2netp in 8-bit integers; leave it out"):
            Segmenter(weights=made[0], **options)


def test_in_floats_it_is_the_same_network(made, frames):
    """Which a GPU runs; only the activations are not rounded."""
    quantised, floats = read_quantised(made[0]), read_quantised(made[0]).in_floats()
    (frame,) = frames(1)
    small = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(SIZE, SIZE).to_ndarray()
    for variant in ("full", "lite"):
        got, expected = (OpenVINONetwork(each, SIZE, 2, variant=variant)(small) for each in (floats, quantised))
        assert expected.max() > 0.9 and np.abs(got - expected).mean() < 0.04


def test_what_cannot_be_quantised_is_refused(made, folder, tmp_path, streamseg):
    images, out = [folder / "images"], tmp_path / "out.safetensors"
    with pytest.raises(WeightsError, match="holds weights in 8-bit integers, expected those in float32"):
        quantize_weights(str(made[0]), images, out)
    with pytest.raises(OutputError, match="already exists"):
        quantize_weights("published", images, made[0])
    with pytest.raises(OptionError, match=r"ends in \.safetensors"):
        quantize_weights("published", images, tmp_path / "out.onnx")
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "one.png").write_bytes((folder / "images" / "0.png").read_bytes())
    with pytest.raises(InputError, match="1 images are too few: give 5 or more"):
        quantize_weights("published", [tmp_path / "few"], out)
    failed = streamseg("quantize", "published", "--images", tmp_path / "none", "--out", out)
    assert failed.returncode == 1 and "there is no such folder" in failed.stderr and failed.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["few"]


@pytest.mark.parametrize("change", ["saliency.bias", "side3.planes.step", "stage1.rebnconvin.conv_s1.weight"])
def test_a_file_that_lacks_a_tensor_is_refused(made, tmp_path, change):
    tensors = load_file(made[0])
    del tensors[change]
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(WeightsError, match=rf"broken\.safetensors: tensor {change} is missing"):
        Segmenter(weights=tmp_path / "broken.safetensors")


def test_sums_fit_for_any_weights():
    weight = np.random.default_rng(1).uniform(0.5, 1, (16, 128, 3, 3)).astype(np.float32)
    integers, step = quantise_weights(weight)
    pack_winograd({"c.weight": integers, "c.step": step, "c.bias": step}, "c")  # which checks the sums
    assert (integers.astype(int)[:, ::2] + integers[:, 1::2]).max() * 255 < 2**15
    assert np.abs(integers * step.reshape(-1, 1, 1, 1) - weight).max() <= step.max() / 2 + 1e-6


def test_what_is_constant_is_moved_into_the_biases_that_read_it():
    """100 added to a channel, and taken off again by those who read it, is found and undone."""
    original, name = dict(load_weights().tensors), "stage3.rebnconv2.conv_s1"
    readers = {"stage3.rebnconv3.conv_s1": 5, "stage3.rebnconv2d.conv_s1": 16 + 5}
    shifted = dict(original) | {f"{name}.bias": original[f"{name}.bias"] + 100 * (np.arange(16) == 5)}
    for reader, channel in readers.items():
        taken = 100 * original[f"{reader}.weight"][:, channel].sum((1, 2))
        shifted[f"{reader}.bias"] = (original[f"{reader}.bias"] - taken).astype(np.float32)
    outputs = {
        key.removesuffix(".bias"): len(values) for key, values in original.items() if key.endswith("conv_s1.bias")
    }
    ranges = {key: Range(np.zeros(count), np.ones(count), np.zeros(count)) for key, count in outputs.items()}
    ranges[name] = Range(100.0 * (np.arange(16) == 5), 1 + 100.0 * (np.arange(16) == 5), np.zeros(16))
    absorbed = absorb(shifted, ranges)
    left = absorbed[f"{name}.bias"] - original[f"{name}.bias"]
    np.testing.assert_allclose(left, 0.5 * (np.arange(16) == 5), atol=1e-4)
    for reader, channel in readers.items():
        rest = 0.5 * original[f"{reader}.weight"][:, channel].sum((1, 2))
        np.testing.assert_allclose(absorbed[f"{reader}.bias"], original[f"{reader}.bias"] - rest, atol=1e-3)
    assert set(absorbed) == set(original)


def test_images_that_are_measured_on_do_not_calibrate(folder):
    calibration = calibration_of([folder / "images"], (64, 96))
    assert not set(calibration.used) & set(calibration.held_back)
    assert len(calibration.used) + len(calibration.held_back) == 10
    shapes = [image.shape for image in calibration.inputs()]
    assert {shape[2:] for shape in shapes} == {(64, 64), (96, 96)} and len(shapes) == 8 + 20
