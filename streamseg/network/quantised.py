"""U²-Net† in 8-bit integers: the tensors, their names and their scale.

The channels are equalised: each is scaled so that its activations span [0, 1], which the next convolution's weights
undo (ReLU, pooling and bilinear upsampling commute with a positive scale). One unsigned step of 1/255 is then right for
every channel of every activation (Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias
Correction, section 4.1). ``streamseg quantize`` makes such tensors from weights in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import WeightsError
from streamseg.network.architecture import MEAN, STD, U2NETP, Architecture, Variant, convolutions
from streamseg.network.head import HEAD_BIAS, head_layers, unfold_head
from streamseg.network.weights import Weights

__all__ = [
    "QuantisedWeights",
    "basis_name",
    "image_levels",
    "is_quantised",
    "levels_of",
    "quantised_weights",
    "read_quantised",
    "restored_name",
]

Tensors = Mapping[str, NDArray[Any]]
_Form = tuple[tuple[int, ...], type[np.generic]]

_AGAIN = "make it again with streamseg quantize"


@dataclass(frozen=True, eq=False, repr=False)
class QuantisedWeights:
    """All weights of U²-Net† in 8-bit integers; validated on construction.

    Attributes:
        tensors: ``NAME.weight`` int8 [out, in, k, k], ``NAME.step`` float32 [out], the value of one unit of each output
            channel's weights, and ``NAME.bias`` float32 [out], for every NAME of a convolution that is followed by a
            ReLU; weight and step of the side outputs' tap planes (streamseg.network.head), and the biases of the maps;
            all three of both factors of convolutions that are factorised in the lite variant (basis_name).

    Raises:
        WeightsError: a tensor is missing, unknown, of another shape or type, or not finite.
    """

    tensors: Tensors

    def __post_init__(self) -> None:
        expected = dict(_forms(self.ranks))
        for name in sorted(self.tensors.keys() ^ expected.keys()):
            raise WeightsError(f"tensor {name} is {'missing' if name in expected else 'not expected'}; {_AGAIN}")
        for name, (shape, dtype) in expected.items():
            values = self.tensors[name]
            if values.shape != shape or values.dtype != dtype:
                raise WeightsError(
                    f"tensor {name} is {values.dtype} {values.shape}, expected {np.dtype(dtype)} {shape}; {_AGAIN}"
                )
            if values.dtype != np.int8 and not np.isfinite(values).all():
                raise WeightsError(f"tensor {name} has values that are not finite; {_AGAIN}")

    @property
    def model(self) -> str:
        """``u2netp``: the only network that is quantised."""
        return U2NETP.name

    @property
    def architecture(self) -> Architecture:
        return U2NETP

    @property
    def ranks(self) -> dict[str, int]:
        """Channels between the two factors of each convolution that is factorised in the lite variant, by name."""
        suffix = f"{basis_name('')}.weight"
        return {name.removesuffix(suffix): len(self.tensors[name]) for name in self.tensors if name.endswith(suffix)}

    def in_floats(self) -> Weights:
        """The same network with weights in float32: its activations are not rounded, and scaled as those here."""
        floats: dict[str, NDArray[np.float32]] = {}
        for layer in convolutions(U2NETP):
            if layer.norm is not None:
                floats[f"{layer.name}.weight"] = self._floats(layer.name)
                floats[f"{layer.name}.bias"] = self.tensors[f"{layer.name}.bias"]
        planes = {f"{name}.weight": self._floats(name) for name in _head_names()}
        biases = {f"{name}.bias": self.tensors[f"{name}.bias"] for name in HEAD_BIAS.values()}
        return Weights(U2NETP.name, floats | unfold_head(planes | biases))

    def _floats(self, name: str) -> NDArray[np.float32]:
        return np.asarray(self.tensors[f"{name}.weight"] * self.tensors[f"{name}.step"].reshape(-1, 1, 1, 1))


def is_quantised(path: str | Path) -> bool:
    """Whether a file of weights holds 8-bit integers; False for what cannot be read."""
    from safetensors import SafetensorError, safe_open

    if Path(path).suffix.lower() != ".safetensors" or not Path(path).is_file():
        return False
    try:
        with safe_open(str(path), "numpy") as file:
            return any(name.endswith(".step") for name in file.keys())  # noqa: SIM118  # it is no mapping
    except (SafetensorError, OSError):
        return False


def read_quantised(path: str | Path) -> QuantisedWeights:
    """The weights in a file for which :func:`is_quantised`.

    Raises:
        WeightsError: it cannot be read, or does not hold the tensors of QuantisedWeights.
    """
    try:
        return quantised_weights(Path(path).read_bytes())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from None
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None


def quantised_weights(data: bytes) -> QuantisedWeights:
    """The weights in the bytes of a safetensors file; raises as :func:`read_quantised`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return QuantisedWeights(load(data))
    except (SafetensorError, KeyError):  # KeyError: a type that NumPy does not have
        raise WeightsError(f"truncated, damaged or not a safetensors file; {_AGAIN}") from None


def image_levels() -> tuple[float, int]:
    """How normalised images are quantised: the step between the 256 levels, and the index of the level that is zero."""
    mean, deviation = np.array(MEAN), np.array(STD)
    low, high = float((-mean / deviation).min()), float(((1 - mean) / deviation).max())
    step = (high - low) / 254
    return step, int(np.ceil(-low / step))


def levels_of(normalised: NDArray[Any]) -> NDArray[np.int16]:
    """A normalised image as indices of levels, counted from that of zero: int16 of the same shape."""
    step, zero = image_levels()
    return np.clip(np.rint(normalised / step), -zero, 255 - zero).astype(np.int16)


def basis_name(convolution: str) -> str:
    """Name of the first factor of a factorised convolution (k×k, to few channels), which the lite variant uses."""
    return f"{convolution}.basis"


def restored_name(convolution: str) -> str:
    """Name of the second factor (1×1, from few channels), see basis_name."""
    return f"{convolution}.restored"


def _head_names() -> set[str]:
    return {name for variant in get_args(Variant) for _, name in head_layers(variant)}


def _forms(ranks: Mapping[str, int]) -> Iterator[tuple[str, _Form]]:
    """Shape and type of every tensor by name."""
    for layer in convolutions(U2NETP):
        if layer.norm is None:
            continue
        yield from _forms_of(layer.name, layer.weight_shape)
        if layer.name in ranks:
            rank, (outputs, *inputs_and_kernel) = ranks[layer.name], layer.weight_shape
            yield from _forms_of(basis_name(layer.name), (rank, *inputs_and_kernel))
            yield from _forms_of(restored_name(layer.name), (outputs, rank, 1, 1))
    channels = dict(enumerate(U2NETP.side_channels, 1))
    for variant in get_args(Variant):
        for side, name in head_layers(variant):
            yield from list(_forms_of(name, (9, channels[side], 1, 1)))[:2]
        yield f"{HEAD_BIAS[variant]}.bias", ((1,), np.float32)


def _forms_of(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, _Form]]:
    yield f"{name}.weight", (shape, np.int8)
    yield f"{name}.step", (shape[:1], np.float32)
    yield f"{name}.bias", (shape[:1], np.float32)
