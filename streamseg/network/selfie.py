"""MediaPipe's network for selfies (its general model, 256×256) as plain data; torch and OpenVINO run the same graph.

It finds people near the camera, less finely than U²-Net† but more surely. An encoder of inverted residuals with
squeeze-and-excite (A. Howard et al., "Searching for MobileNetV3", ICCV 2019, fig. 4), a gate by the image's mean as in
that paper's fig. 10, and a decoder that joins the encoder's activations at three resolutions.

The weights are Google's, under Apache-2.0, converted by ``scripts/convert_selfie.py``; NOTICE says more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamseg.network.weights_files import packaged_bytes

__all__ = ["SELFIE_SIZE", "SELFIE_WEIGHTS", "Layer", "Operations", "run_selfie", "selfie_layers", "selfie_tensors"]

#: Side of the square input and output in pixels.
SELFIE_SIZE = 256
#: The packaged file: float16, as in MediaPipe's own.
SELFIE_WEIGHTS = Path(__file__).with_name("selfie.safetensors")
_SHA256 = "f17dafb75dda68e2f6a617e1c2b24d6cd0f5623f04a03363d682dfc4c48456b0"

Activation = Literal["none", "relu", "hard_swish", "sigmoid"]
T = TypeVar("T")


@dataclass(frozen=True)
class Layer:
    """A convolution, its bias, and the activation after it.

    Attributes:
        name: prefix of its tensors.
        stride: with 2, of an even number of rows the half is left.
        depthwise: each channel has a kernel of its own, of one input.
    """

    name: str
    in_channels: int
    out_channels: int
    activation: Activation = "none"
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros before the first and after the last row or column: TensorFlow's "same" for an even size."""
        total = self.kernel - self.stride if self.kernel > 1 else 0
        return total // 2, total - total // 2

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape [out, in, kernel, kernel] of the weight; in is 1 if depthwise."""
        return self.out_channels, 1 if self.depthwise else self.in_channels, self.kernel, self.kernel


@dataclass(frozen=True)
class _Bottleneck:
    """An inverted residual: to ``expanded`` channels, a depthwise convolution, and to few channels again.

    With as many channels out as in and stride 1, its input is added. ``squeezed`` channels in the gate; 0 for none.
    """

    name: str
    in_channels: int
    expanded: int
    out_channels: int
    kernel: int
    stride: int
    activation: Activation
    squeezed: int

    @property
    def residual(self) -> bool:
        return self.stride == 1 and self.in_channels == self.out_channels

    def layers(self) -> dict[str, Layer]:
        wide, act = self.expanded, self.activation
        layers = {
            "expand": Layer(f"{self.name}.expand", self.in_channels, wide, act),
            "depthwise": Layer(f"{self.name}.depthwise", wide, wide, act, self.kernel, self.stride, True),
        }
        if self.squeezed:
            layers |= _gate(self.name, wide, self.squeezed)
        return layers | {"project": Layer(f"{self.name}.project", wide, self.out_channels)}


@dataclass(frozen=True)
class _Decoder:
    """Joins what comes from below, doubled in size, with the encoder's activation of ``channels`` channels."""

    name: str
    in_channels: int
    channels: int

    def layers(self) -> dict[str, Layer]:
        n = self.channels
        return {
            "reduce": Layer(f"{self.name}.reduce", self.in_channels, n),
            **_gate(self.name, n, n),
            "merge": Layer(f"{self.name}.merge", n, n, "relu"),
            "refine": Layer(f"{self.name}.refine", n, n, "relu", 3, 1, True),
        }


def _gate(name: str, channels: int, squeezed: int) -> dict[str, Layer]:
    """Squeeze-and-excite: from the mean of each channel to a factor for each."""
    return {
        "squeeze": Layer(f"{name}.squeeze", channels, squeezed, "relu"),
        "excite": Layer(f"{name}.excite", squeezed, channels, "sigmoid"),
    }


_STEM = Layer("stem", 3, 16, "hard_swish", 3, 2)
_ENCODER = (
    _Bottleneck("encoder1", 16, 16, 16, 3, 2, "relu", 8),
    _Bottleneck("encoder2", 16, 72, 24, 3, 2, "relu", 0),
    _Bottleneck("encoder3", 24, 88, 24, 3, 1, "relu", 0),
    _Bottleneck("encoder4", 24, 96, 32, 5, 2, "hard_swish", 24),
    _Bottleneck("encoder5", 32, 128, 32, 5, 1, "hard_swish", 32),
    _Bottleneck("encoder6", 32, 128, 32, 5, 1, "hard_swish", 32),
    _Bottleneck("encoder7", 32, 96, 32, 5, 1, "hard_swish", 24),
    _Bottleneck("encoder8", 32, 96, 32, 5, 1, "hard_swish", 24),
)
_CONTEXT = (Layer("context", 32, 128, "relu"), Layer("context.gate", 32, 128, "sigmoid"))
_DECODER = (_Decoder("decoder1", 128, 24), _Decoder("decoder2", 24, 16), _Decoder("decoder3", 16, 16))
#: The transposed convolution at the end, 2×2 with stride 2: the four pixels that it makes of each, row by row.
_PIXELS = Layer("pixels", 16, 4, "sigmoid")


def selfie_layers() -> tuple[Layer, ...]:
    """All layers in the order in which they run."""
    return tuple(_layers())


def _layers() -> Iterator[Layer]:
    yield _STEM
    for block in _ENCODER:
        yield from block.layers().values()
    yield from _CONTEXT
    for decoder in _DECODER:
        yield from decoder.layers().values()
    yield _PIXELS


class Operations(Protocol[T]):
    """What the network is made of; T is a tensor [batch, channels, rows, columns] of torch or a node of OpenVINO."""

    def convolve(self, x: T, layer: Layer) -> T:
        """The layer's convolution, bias and activation."""
        ...

    def mean(self, x: T) -> T:
        """The mean of each channel, [batch, channels, 1, 1]."""
        ...

    def upsample(self, x: T) -> T:
        """Twice as large, bilinear: half-pixel centres, edges repeated."""
        ...

    def add(self, a: T, b: T) -> T: ...

    def multiply(self, a: T, b: T) -> T: ...

    def unfold(self, x: T) -> T:
        """From four channels [batch, 4, n, m] to the four pixels of each, row by row: [batch, 1, 2 n, 2 m]."""
        ...


def run_selfie(ops: Operations[T], rgb: T) -> T:
    """The network's graph.

    Args:
        ops: the operations that build or run it.
        rgb: [batch, 3, 256, 256], RGB in [0, 1].

    Returns:
        How certainly each pixel belongs to a person: [batch, 1, 256, 256] in [0, 1].
    """
    x = ops.convolve(rgb, _STEM)
    skips: list[T] = []
    for block in _ENCODER:
        if block.stride == 2:
            skips.append(x)
        x = _run_bottleneck(ops, block, x)
    context, gate = _CONTEXT
    x = ops.multiply(ops.convolve(x, context), ops.convolve(ops.mean(x), gate))
    for decoder in _DECODER:
        x = _run_decoder(ops, decoder, x, skips.pop())
    return ops.unfold(ops.convolve(x, _PIXELS))


def _run_bottleneck(ops: Operations[T], block: _Bottleneck, x: T) -> T:
    layers = block.layers()
    h = ops.convolve(ops.convolve(x, layers["expand"]), layers["depthwise"])
    if block.squeezed:
        h = ops.multiply(h, _run_gate(ops, layers, ops.mean(h)))
    h = ops.convolve(h, layers["project"])
    return ops.add(h, x) if block.residual else h


def _run_decoder(ops: Operations[T], decoder: _Decoder, x: T, skip: T) -> T:
    layers = decoder.layers()
    # MediaPipe doubles first; a 1×1 convolution commutes with bilinear interpolation, and on fewer pixels costs less.
    x = ops.upsample(ops.convolve(x, layers["reduce"]))
    gate = _run_gate(ops, layers, ops.mean(ops.add(skip, x)))
    x = ops.convolve(ops.add(ops.multiply(skip, gate), x), layers["merge"])
    return ops.add(x, ops.convolve(x, layers["refine"]))


def _run_gate(ops: Operations[T], layers: dict[str, Layer], means: T) -> T:
    return ops.convolve(ops.convolve(means, layers["squeeze"]), layers["excite"])


def selfie_tensors() -> dict[str, NDArray[np.float32]]:
    """The packaged weights: ``NAME.weight`` and ``NAME.bias``, float32, for every NAME of :func:`selfie_layers`.

    Raises:
        WeightsError: the packaged file is missing or was altered.
    """
    from safetensors.numpy import load

    tensors = load(packaged_bytes(SELFIE_WEIGHTS, _SHA256))
    return {name: values.astype(np.float32) for name, values in tensors.items()}
