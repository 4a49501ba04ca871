"""Weights files of every format: read, or rejected with a one-line error."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from streamseg.errors import MissingDependency, OptionError, WeightsError
from streamseg.network.architecture import U2NET, U2NETP, Architecture, convolution_names, convolutions
from streamseg.network.packaged import PACKAGED, PackagedFile
from streamseg.network.weights import Weights, load_weights

Tensors = dict[str, np.ndarray]
Maker = Callable[[Architecture], Tensors]


def assert_equal(weights: Weights, tensors: Tensors) -> None:
    assert set(weights.tensors) == set(tensors)
    for name, values in tensors.items():
        np.testing.assert_array_equal(weights.tensors[name], values, err_msg=name)


def load_error(path: Path, model: str = "u2netp") -> str:
    """The error message: one line that names the file, without other libraries' tracebacks."""
    with pytest.raises(WeightsError) as caught:
        load_weights(path, model)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < 300 + len(str(path))
    assert caught.value.__cause__ is None and (caught.value.__context__ is None or caught.value.__suppress_context__)
    return message


def test_the_authors_weights() -> None:
    weights = load_weights("published")
    assert repr(weights) == "Weights('u2netp', 238 tensors, 1,125,485 values)"
    # two layers with huge biases that cancel out identify these weights
    assert weights.tensors["stage2d.rebnconv1d.conv_s1.bias"].max() == pytest.approx(1361.25, abs=0.01)
    assert weights.tensors["stage2d.rebnconv2d.conv_s1.bias"].max() == pytest.approx(228.29, abs=0.01)


def test_the_default_weights_are_others_of_the_same_network() -> None:
    default, published = load_weights(), load_weights("published")
    assert repr(default) == repr(published)
    assert_equal(default, load_weights("tuned").tensors)
    changed = [name for name, values in default.tensors.items() if not np.array_equal(values, published.tensors[name])]
    assert len(changed) > 230


def test_a_file_called_published_is_given_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "published" in load_error(Path("published"))


@pytest.mark.parametrize("name", list(PACKAGED))
def test_altered_packaged_weights_are_rejected(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(PACKAGED[name].path.read_bytes())
    data[-5] ^= 1
    altered = tmp_path / "u2netp.safetensors"
    altered.write_bytes(data)
    monkeypatch.setitem(PACKAGED, name, PackagedFile(altered, PACKAGED[name].sha256))
    with pytest.raises(WeightsError, match=r"missing or altered; install streamseg again"):
        load_weights(name)
    altered.unlink()
    with pytest.raises(WeightsError, match=r"missing or altered; install streamseg again"):
        load_weights(name)


def test_u2net_is_not_packaged() -> None:
    with pytest.raises(WeightsError, match=r"u2net\.pth \(176\.3 MB\).*github\.com/xuebinqin/U-2-Net.*--weights"):
        load_weights(model="u2net")


def test_unknown_model() -> None:
    with pytest.raises(OptionError, match="'isnet'"):
        load_weights(model="isnet")


def test_folded_safetensors(tmp_path: Path, random_folded: Maker) -> None:
    tensors = random_folded(U2NETP)
    save_file(tensors, tmp_path / "a.safetensors")
    assert_equal(load_weights(str(tmp_path / "a.safetensors")), tensors)


def test_half_precision_is_converted_to_float32(tmp_path: Path, random_folded: Maker) -> None:
    half = {name: values.astype(np.float16) for name, values in random_folded(U2NETP).items()}
    save_file(half, tmp_path / "a.safetensors")
    assert_equal(load_weights(tmp_path / "a.safetensors"), {k: v.astype(np.float32) for k, v in half.items()})


def test_unfolded_safetensors_are_folded(tmp_path: Path, random_unfolded: Maker) -> None:
    """Against a convolution and its batch norm, by definition, at one pixel."""
    tensors = random_unfolded(U2NETP)
    save_file(tensors, tmp_path / "a.safetensors")
    folded = load_weights(tmp_path / "a.safetensors").tensors
    pixel = np.random.default_rng(0).standard_normal(9 * 64)
    for layer in convolutions(U2NETP):
        x = np.resize(pixel, layer.weight_shape[1:])
        axes = ([1, 2, 3], [0, 1, 2])
        expected = np.tensordot(tensors[f"{layer.name}.weight"], x, axes) + tensors[f"{layer.name}.bias"]
        if layer.norm:
            gamma, beta, mean, variance = (
                tensors[f"{layer.norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
            )
            expected = (expected - mean) / np.sqrt(variance + 1e-5) * gamma + beta
        got = np.tensordot(folded[f"{layer.name}.weight"], x, axes) + folded[f"{layer.name}.bias"]
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-3, err_msg=layer.name)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_pth(tmp_path: Path, random_unfolded: Maker, zipped: bool) -> None:
    torch = pytest.importorskip("torch")
    from streamseg.network.u2net import U2Net, fold_batch_norm

    model = U2Net(U2NETP)
    model.load_state_dict({name: torch.from_numpy(values) for name, values in random_unfolded(U2NETP).items()})
    torch.save(model.state_dict(), tmp_path / "u2netp.pth", _use_new_zipfile_serialization=zipped)
    got = load_weights(tmp_path / "u2netp.pth").tensors
    expected = fold_batch_norm(model.double()).state_dict()
    assert set(got) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values.numpy(), rtol=1e-6, err_msg=name)


def test_pth_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "u2netp.pth").write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependency, match=r'pip install "streamseg\[train\]"'):
        load_weights(tmp_path / "u2netp.pth")


class Evil:
    """Creates a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def test_pth_does_not_run_code(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Evil(tmp_path / "harm"), protocol=2))
    assert "not a torch file" in load_error(path)
    assert not (tmp_path / "harm").exists()


def test_pth_of_a_training_checkpoint(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"epoch": 3, "model": {"a": torch.zeros(1)}}, tmp_path / "a.pth")
    assert "save model.state_dict() alone" in load_error(tmp_path / "a.pth")


@pytest.mark.parametrize("net", [U2NETP, U2NET], ids=lambda net: net.name)
def test_onnx(tmp_path: Path, random_folded: Maker, onnx_writer: Callable, net: Architecture) -> None:
    tensors = random_folded(net)
    path = onnx_writer(net, tensors).write(tmp_path / "a.onnx")
    assert_equal(load_weights(path, net.name), tensors)


def test_onnx_of_another_network(tmp_path: Path, random_folded: Maker, onnx_writer: Callable) -> None:
    tensors = random_folded(U2NETP)
    path = onnx_writer(U2NETP, tensors, dilate=False).write(tmp_path / "a.onnx")
    assert "stage1.rebnconv7.conv_s1 has dilation (1, 1), expected 2" in load_error(path)
    path = onnx_writer(U2NETP, tensors, bias=False).write(tmp_path / "b.onnx")
    assert "stage1.rebnconvin.conv_s1 has no float32 weight and bias" in load_error(path)
    writer = onnx_writer(U2NETP, tensors)
    writer._network = lambda: [writer._conv("stage1.rebnconvin.conv_s1", "input.1")]
    assert "has 1 convolutions, expected the 119" in load_error(writer.write(tmp_path / "c.onnx"))


def test_the_other_network_is_rejected(tmp_path: Path, random_folded: Maker) -> None:
    big = {name: values.astype(np.float16) for name, values in random_folded(U2NET).items()}
    save_file(big, tmp_path / "u2net.safetensors")
    message = load_error(tmp_path / "u2net.safetensors")
    assert "contains u2net, expected u2netp" in message
    assert load_weights(tmp_path / "u2net.safetensors", "u2net").model == "u2net"
    assert "contains u2netp, expected u2net" in load_error(PACKAGED["published"].path, "u2net")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".onnx"])
def test_missing_empty_foreign_and_truncated_files(
    tmp_path: Path, random_folded: Maker, onnx_writer: Callable, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    assert "no such file" in load_error(path)
    path.mkdir()
    assert "is not a file" in load_error(path)
    path.rmdir()
    path.write_bytes(b"")
    assert "empty" in load_error(path)
    if suffix.startswith(".p"):
        pytest.importorskip("torch")
    for foreign in (b"<!DOCTYPE html><html>not found</html>", b"version https://git-lfs", bytes(range(256)) * 40):
        path.write_bytes(foreign)
        assert "truncated, damaged or not" in load_error(path)
    write(path, random_folded(U2NETP), onnx_writer)
    data = path.read_bytes()
    load_weights(path)
    for length in (7, 300, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        assert "truncated, damaged or not" in load_error(path)


def write(path: Path, tensors: Tensors, onnx_writer: Callable) -> None:
    """Folded tensors in the format of the suffix."""
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    elif path.suffix == ".onnx":
        onnx_writer(U2NETP, tensors).write(path)
    else:
        torch = pytest.importorskip("torch")
        torch.save({name: torch.from_numpy(values) for name, values in tensors.items()}, path)


def test_an_unknown_suffix(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"1")
    assert "'.bin': expected .safetensors, .pth, .pt, .onnx" in load_error(tmp_path / "weights.bin")


def change(tensors: Tensors, name: str, values: np.ndarray | None) -> Tensors:
    """The same tensors with one replaced, or without it."""
    changed = {key: value for key, value in tensors.items() if key != name}
    return changed if values is None else {**changed, name: values}


NAN = np.full(1, np.nan, np.float32)
CHANGES = {
    "missing": ("side3.bias", None, "side3.bias is missing"),
    "deepest missing": ("stage6.rebnconvin.conv_s1.weight", None, "not U²-Net weights"),
    "unknown": ("side7.bias", np.zeros(1, np.float32), "side7.bias is in neither network"),
    "shape": ("side3.bias", np.zeros(2, np.float32), r"side3.bias has shape (2,), expected (1,)"),
    "deepest shape": (
        "stage6.rebnconvin.conv_s1.weight",
        np.zeros((9, 9, 3, 3), np.float32),
        "(9, 9, 3, 3)",
    ),
    "integers": ("side3.bias", np.zeros(1, np.int32), "side3.bias has type int32"),
    "nan": ("side3.bias", NAN, "side3.bias has values that are not finite"),
    "infinite": ("outconv.weight", np.full((1, 6, 1, 1), -np.inf, np.float32), "outconv.weight has values"),
    "overflow": ("side3.bias", np.full(1, 1e300), "side3.bias has values that are not finite"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_folded_tensors_are_checked(tmp_path: Path, random_folded: Maker, case: str) -> None:
    name, values, expected = CHANGES[case]
    save_file(change(random_folded(U2NETP), name, values), tmp_path / "a.safetensors")
    assert expected in load_error(tmp_path / "a.safetensors")


NORM = "stage3.rebnconv2.bn_s1"
NORM_CHANGES = {
    "missing": ("running_mean", None, f"{NORM}.running_mean is missing"),
    "shape": ("bias", np.zeros(3, np.float32), f"batch norm {NORM} does not fit"),
    "negative": ("running_var", np.full(16, -1, np.float32), f"{NORM}.running_var has a value that is negative"),
    "nan": ("running_var", np.full(16, np.nan, np.float32), f"{NORM}.running_var has a value that is negative"),
    "infinite": ("weight", np.full(16, np.inf, np.float32), "rebnconv2.conv_s1.weight has values that are not"),
}


@pytest.mark.parametrize("case", NORM_CHANGES)
def test_unfolded_tensors_are_checked(tmp_path: Path, random_unfolded: Maker, case: str) -> None:
    part, values, expected = NORM_CHANGES[case]
    save_file(change(random_unfolded(U2NETP), f"{NORM}.{part}", values), tmp_path / "a.safetensors")
    assert expected in load_error(tmp_path / "a.safetensors")


def test_weights_from_memory_are_checked_too(random_folded: Maker) -> None:
    tensors = random_folded(U2NETP)
    assert list(Weights("u2netp", tensors).tensors)[::2] == [f"{x}.weight" for x in convolution_names(U2NETP)]
    with pytest.raises(WeightsError, match="expected float32"):
        Weights("u2netp", change(tensors, "side1.bias", np.zeros(1)))
    with pytest.raises(WeightsError, match="has shape"):
        Weights("u2net", tensors)
