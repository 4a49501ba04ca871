"""The network on OpenVINO: one scale for every image, results of their own, no telemetry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from disc import disc_image, normalise

from streamseg.device.cpu.openvino.graph import build_model
from streamseg.device.cpu.openvino.network import OpenVINONetwork
from streamseg.errors import InputError, OptionError
from streamseg.network.architecture import ARCHITECTURES, convolutions
from streamseg.network.weights import load_weights


@pytest.fixture(scope="module")
def network() -> OpenVINONetwork:
    """The packaged weights at a size that is quick to run."""
    return OpenVINONetwork(load_weights(), size=128)


def test_packaged_weights_find_the_disc() -> None:
    got = OpenVINONetwork(load_weights())(disc_image(320))
    y, x = np.mgrid[0:320, 0:320] / 320
    distance = np.hypot(x - 0.45, y - 0.55)
    assert got[distance < 0.18].mean() > 0.9
    assert got[distance > 0.3].mean() < 0.05


def test_rgb_bytes_are_normalised_with_a_fixed_scale(network: OpenVINONetwork) -> None:
    dark = disc_image(128) // 2  # an image's own maximum must not matter
    got = network(dark)
    assert got.shape == (128, 128) and got.dtype == np.float32
    assert got.min() >= 0 and got.max() <= 1 and got.std() > 0.05
    np.testing.assert_allclose(got, network.saliency(normalise(dark)), atol=1e-4)


def test_a_result_belongs_to_its_caller(network: OpenVINONetwork) -> None:
    first = network(disc_image(128))
    kept = first.copy()
    network(np.zeros((128, 128, 3), np.uint8))
    assert np.array_equal(first, kept)
    first[:] = 0
    assert np.array_equal(network(disc_image(128)), kept)


def test_a_view_gives_the_same_as_its_copy(network: OpenVINONetwork) -> None:
    flipped = disc_image(128)[:, ::-1]
    assert np.array_equal(network(flipped), network(flipped.copy()))


@pytest.mark.parametrize(
    "image",
    [np.zeros((128, 128), np.uint8), np.zeros((64, 128, 3), np.uint8), np.zeros((128, 128, 3), np.float32)],
    ids=["grey", "size", "type"],
)
def test_another_shape_or_type_is_refused(network: OpenVINONetwork, image: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"expected uint8 \(128, 128, 3\)"):
        network(image)
    with pytest.raises(InputError, match=r"expected float32 \(3, 128, 128\)"):
        network.saliency(image)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(OptionError, match="threads is 0"):
        OpenVINONetwork(load_weights(), threads=0)
    with pytest.raises(OptionError, match="size 16"):
        OpenVINONetwork(load_weights(), size=16)


def test_threads_and_precision_reach_the_compiled_model() -> None:
    compiled = OpenVINONetwork(load_weights(), 64, threads=1)._requests[0].compiled
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


def test_the_model_has_static_shapes_and_nodes_named_after_the_weights() -> None:
    model = build_model(load_weights(), size=96, batch=2)
    assert list(model.input("rgb").shape) == [2, 96, 96, 3]
    assert list(model.output("saliency").shape) == [2, 1, 96, 96]
    names = {op.get_friendly_name() for op in model.get_ops()}
    layers = convolutions(ARCHITECTURES["u2netp"])
    assert names >= {f"{layer.name}.relu" for layer in layers if layer.norm}


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_signal_after_a_network_was_dropped_in_another_thread_is_handled() -> None:
    code = (
        "import gc, os, signal, threading\n"
        "from streamseg.device.cpu.openvino.network import OpenVINONetwork\n"
        "signal.signal(signal.SIGINT, lambda *_: print('handled'))\n"
        "networks = [OpenVINONetwork(size=64)]\n"
        "other = threading.Thread(target=lambda: (networks.clear(), gc.collect()))\n"
        "other.start(), other.join()\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "handled\n")


def test_importing_openvino_sends_no_telemetry(tmp_path: Path) -> None:
    code = (
        "import sys; from streamseg.network.quiet_openvino import import_openvino as load; load().Core()\n"
        "assert load() is sys.modules['openvino']\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])"
    )
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **home}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_openvinos_converter_is_only_loaded_when_it_is_called() -> None:
    code = (
        "import sys; from streamseg.network.quiet_openvino import import_openvino as load; openvino = load()\n"
        "assert 'openvino.tools.ovc' not in sys.modules\n"
        "try: openvino.convert_model('nothing-there.onnx')\n"
        "except Exception as error: print(type(error).__module__)\n"
        "assert not any(name.startswith('openvino_telemetry') for name in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "openvino.tools.ovc.error"
