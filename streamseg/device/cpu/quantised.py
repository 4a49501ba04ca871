"""The packaged U²-Net† in 8-bit integers, made by ``scripts/factorise.py`` and ``scripts/quantize.py``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.graph import GraphBuilder, basis_name
from streamseg.errors import WeightsError
from streamseg.network.architecture import MEAN, STD, U2NETP

__all__ = [
    "QUANTISED_SIZE",
    "QUANTISED_WEIGHTS",
    "QuantisedBuilder",
    "image_levels",
    "levels_of",
    "quantised_model",
    "quantised_ranks",
    "quantised_tensors",
]

QUANTISED_WEIGHTS = Path(__file__).with_name("u2netp-int8.safetensors")
QUANTISED_SIZE = 320
_SHA256 = "e2713bf5fece02a18614c892f2194811ae2723a988000220e915782d1cfe4786"


def quantised_ranks() -> dict[str, int]:
    """Of its convolutions that are factorised without detail, by name: the maps between the two, see basis_name.

    Raises:
        WeightsError: as for quantised_model.
    """
    tensors, suffix = quantised_tensors(), f"{basis_name('')}.weight"
    return {name.removesuffix(suffix): len(values) for name, values in tensors.items() if name.endswith(suffix)}


def quantised_model(size: int = QUANTISED_SIZE, normalised: bool = False, detail: bool = True) -> Any:
    """An ``openvino.Model`` like those of :func:`streamseg.device.cpu.graph.build_model`, with its arguments.

    Raises:
        OptionError: ``size`` is too small.
        WeightsError: the packaged file is missing or was altered.
    """
    return QuantisedBuilder(U2NETP, quantised_tensors(), detail).build(size, 1, normalised)


def quantised_tensors() -> dict[str, NDArray[Any]]:
    """The packaged tensors, see QuantisedBuilder.

    Raises:
        WeightsError: the packaged file is missing or was altered.
    """
    from safetensors.numpy import load

    return load(_packaged())


def _packaged() -> bytes:
    data = QUANTISED_WEIGHTS.read_bytes() if QUANTISED_WEIGHTS.is_file() else b""
    if hashlib.sha256(data).hexdigest() != _SHA256:
        raise WeightsError(f"{QUANTISED_WEIGHTS}: missing or altered; install streamseg again")
    return data


def image_levels() -> tuple[float, int]:
    """The step between two of the 256 levels of a normalised picture, and the number of the level that is zero."""
    mean, deviation = np.array(MEAN), np.array(STD)
    low, high = float((-mean / deviation).min()), float(((1 - mean) / deviation).max())
    step = (high - low) / 254
    return step, int(np.ceil(-low / step))


def levels_of(normalised: NDArray[Any]) -> NDArray[np.int16]:
    """A normalised picture in whole levels, above that of zero."""
    step, zero = image_levels()
    return np.clip(np.rint(normalised / step), -zero, 255 - zero).astype(np.int16)


class QuantisedBuilder(GraphBuilder):
    """The network on 8-bit integers: OpenVINO turns what is rounded here into integer arithmetic.

    The channels were equalised: each is scaled so that its activations span [0, 1], which the next convolution's
    weights undo (ReLU, pooling and bilinear upsampling commute with a positive scale). One unsigned step of 1/255 then
    is right for every channel of every signal (Nagel et al., "Data-Free Quantization", 2019, section 4.1).

    ``tensors`` holds ``NAME.weight`` int8 [out, in, k, k], ``NAME.step`` float32 [out], the value of one unit, and
    ``NAME.bias`` float32 [out].
    """

    def kernel(self, name: str) -> Any:
        step = self.tensors[f"{name}.step"].reshape(-1, 1, 1, 1)
        integers = self.ops.constant(self.tensors[f"{name}.weight"])
        return self.ops.multiply(self.ops.convert(integers, np.float32), self.constant(step))

    def signal(self, x: Any) -> Any:
        return self._rounded(x, 0.0, 1.0)

    def image(self, x: Any) -> Any:
        """What uint8 RGB can become, in 256 steps one of which is zero: convolutions pad with it."""
        step, zero = image_levels()
        return self._rounded(x, -zero * step, (255 - zero) * step)

    def _rounded(self, x: Any, low: float, high: float) -> Any:
        bounds = [self.constant(np.full((1, 1, 1, 1), bound)) for bound in (low, high)]
        return self.ops.fake_quantize(x, *bounds, *bounds, 256)
