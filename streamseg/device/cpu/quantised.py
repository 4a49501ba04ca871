"""The packaged U²-Net† in 8-bit integers, made by ``scripts/factorise.py`` and ``scripts/quantize.py``.

The channels were equalised: each is scaled so that its activations span [0, 1], which the next convolution's weights
undo (ReLU, pooling and bilinear upsampling commute with a positive scale). One unsigned step of 1/255 is then right for
every channel of every activation (Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias
Correction, section 4.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.network.architecture import MEAN, STD
from streamseg.network.weights_files import packaged_bytes

__all__ = [
    "QUANTISED_WEIGHTS",
    "basis_name",
    "image_levels",
    "levels_of",
    "quantised_ranks",
    "quantised_tensors",
    "restored_name",
]

#: The packaged file.
QUANTISED_WEIGHTS = Path(__file__).with_name("u2netp-int8.safetensors")
_SHA256 = "e2713bf5fece02a18614c892f2194811ae2723a988000220e915782d1cfe4786"


def quantised_ranks() -> dict[str, int]:
    """Channels between the two factors of each convolution that is factorised in the lite variant, by name.

    Raises:
        WeightsError: as for quantised_tensors.
    """
    tensors, suffix = quantised_tensors(), f"{basis_name('')}.weight"
    return {name.removesuffix(suffix): len(values) for name, values in tensors.items() if name.endswith(suffix)}


def quantised_tensors() -> dict[str, NDArray[Any]]:
    """The packaged tensors.

    ``NAME.weight`` is int8 [out, in, k, k], ``NAME.step`` float32 [out], the value of one unit of each output channel's
    weights, and ``NAME.bias`` float32 [out].

    Raises:
        WeightsError: the packaged file is missing or was altered.
    """
    from safetensors.numpy import load

    return load(packaged_bytes(QUANTISED_WEIGHTS, _SHA256))


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
