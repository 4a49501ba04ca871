"""Weights of the two networks: batch norm folded, float32, checked against the architecture.

Folding: W' = W·γ/√(σ²+ε), b' = (b−μ)·γ/√(σ²+ε) + β, computed in float64 and rounded to float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import WeightsError
from streamseg.network.architecture import (
    ARCHITECTURES,
    BATCH_NORM_EPSILON,
    Architecture,
    Convolution,
    architecture,
    convolutions,
)
from streamseg.network.packaged import PACKAGED, TUNED, is_packaged
from streamseg.network.weights_files import packaged_bytes, read_tensors

__all__ = ["Weights", "load_weights", "read_weights"]

Tensors = Mapping[str, NDArray[np.float32]]

_EXPECTED = "expected the authors' .pth, an .onnx export of it, or a .safetensors file from scripts/convert_weights.py"
_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, eq=False, repr=False)
class Weights:
    """All weights of one network with batch norm folded; validated on construction.

    Attributes:
        model: ``u2net`` or ``u2netp``.
        tensors: float32 arrays ``NAME.weight`` [out, in, k, k] and ``NAME.bias`` [out] for every NAME of
            :func:`streamseg.network.architecture.convolution_names`, and nothing else.

    Raises:
        OptionError: ``model`` is neither of the two.
        WeightsError: a tensor is missing, unknown, of another shape or type, or not finite.
    """

    model: str
    tensors: Tensors

    def __post_init__(self) -> None:
        shapes = _folded_shapes(self.architecture)
        _check_names(set(self.tensors), set(shapes))
        for name, shape in shapes.items():
            _check_tensor(name, self.tensors[name], shape)

    @property
    def architecture(self) -> Architecture:
        """The architecture that these weights belong to."""
        return architecture(self.model)

    def __repr__(self) -> str:
        count = sum(values.size for values in self.tensors.values())
        return f"Weights({self.model!r}, {len(self.tensors)} tensors, {count:,} values)"


def load_weights(path: str | Path | None = None, model: str = "u2netp") -> Weights:
    """The weights of ``model`` from ``path``, or packaged ones of U²-Net†.

    Args:
        path: ``.safetensors`` (folded, or unfolded with the authors' names), ``.pth`` (the authors'; needs torch) or
            ``.onnx`` (an export with folded batch norm); or the name of packaged ones, see streamseg.network.packaged;
            None for "tuned".
        model: ``u2netp`` or ``u2net``; the file must contain this one.

    Raises:
        WeightsError: the file is missing, damaged, of another kind or of the other network, or a value is not finite.
        MissingDependency: a ``.pth`` was given and torch is not installed.
        OptionError: ``model`` is neither of the two.
    """
    net = architecture(model)
    if path is None or is_packaged(path):
        return _packaged(net, str(path or TUNED))
    weights = read_weights(path)
    if weights.model != model:
        raise WeightsError(
            f"{path}: contains {weights.model}, expected {model}: choose the model {weights.model} or another file"
        )
    return weights


def read_weights(path: str | Path) -> Weights:
    """The weights in a file of either network; raises as :func:`load_weights`."""
    tensors = read_tensors(Path(path))
    try:
        return _weights_of(tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None


def _packaged(net: Architecture, name: str) -> Weights:
    if net.name != "u2netp":
        raise WeightsError(
            f"the weights of {net.name} are not packaged: download {net.name}.pth (176.3 MB) from its authors at "
            f"github.com/xuebinqin/U-2-Net and pass it with --weights"
        )
    file = PACKAGED[name]
    packaged_bytes(*file)
    return read_weights(file.path)


def _weights_of(tensors: Tensors) -> Weights:
    net = _identify(tensors)
    if any(".bn_s1." in name for name in tensors):
        tensors = _fold(tensors, net)
    return Weights(net.name, tensors)


def _identify(tensors: Tensors) -> Architecture:
    """The architecture, by the first convolution of its deepest stage: 512 channels in U²-Net, 64 in U²-Net†."""
    key = "stage6.rebnconvin.conv_s1.weight"
    if key not in tensors:
        raise WeightsError(f"not U²-Net weights: no tensor {key}; {_EXPECTED}")
    for net in ARCHITECTURES.values():
        if tensors[key].shape == _folded_shapes(net)[key]:
            return net
    raise WeightsError(f"not U²-Net weights: {key} has shape {tensors[key].shape}; {_EXPECTED}")


def _folded_shapes(net: Architecture) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in convolutions(net):
        shapes[f"{layer.name}.weight"] = layer.weight_shape
        shapes[f"{layer.name}.bias"] = (layer.out_channels,)
    return shapes


def _check_names(got: set[str], expected: set[str]) -> None:
    for name in sorted(expected - got):
        raise WeightsError(f"tensor {name} is missing; {_EXPECTED}")
    for name in sorted(got - expected):
        raise WeightsError(f"tensor {name} is in neither network; {_EXPECTED}")


def _check_tensor(name: str, values: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise WeightsError(f"tensor {name} has shape {values.shape}, expected {shape}; {_EXPECTED}")
    if values.dtype != np.float32:
        raise WeightsError(f"tensor {name} has type {values.dtype}, expected float32")
    if not np.isfinite(values).all():
        raise WeightsError(f"tensor {name} has values that are not finite: download or train it again")


def _fold(tensors: Tensors, net: Architecture) -> dict[str, NDArray[np.float32]]:
    """From unfolded tensors under the authors' names to folded ones; unknown names stay, and are rejected later."""
    norms = {layer.norm for layer in convolutions(net)}
    folded = {name: values for name, values in tensors.items() if name.rpartition(".")[0] not in norms}
    for layer in convolutions(net):
        if layer.norm is not None:
            folded.update(_fold_layer(tensors, layer))
    return folded


def _fold_layer(tensors: Tensors, layer: Convolution) -> dict[str, NDArray[np.float32]]:
    weight, bias = (_float64(tensors, f"{layer.name}.{part}") for part in ("weight", "bias"))
    gamma, beta, mean, variance = (_float64(tensors, f"{layer.norm}.{part}") for part in _NORM_TENSORS)
    if {part.shape for part in (bias, gamma, beta, mean, variance)} != {(layer.out_channels,)}:
        raise WeightsError(f"batch norm {layer.norm} does not fit {layer.name}; {_EXPECTED}")
    if not (variance >= 0).all():
        raise WeightsError(f"tensor {layer.norm}.running_var has a value that is negative or not a number")
    with np.errstate(over="ignore", invalid="ignore"):  # Weights rejects what is not finite
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        return {
            f"{layer.name}.weight": (weight * scale.reshape(-1, 1, 1, 1)).astype(np.float32),
            f"{layer.name}.bias": ((bias - mean) * scale + beta).astype(np.float32),
        }


def _float64(tensors: Tensors, name: str) -> NDArray[np.float64]:
    if name not in tensors:
        raise WeightsError(f"tensor {name} is missing; {_EXPECTED}")
    return tensors[name].astype(np.float64)
