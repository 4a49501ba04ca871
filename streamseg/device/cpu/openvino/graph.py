"""Builds the network as an ``openvino.Model`` straight from the architecture table and the weights.

Without torch and ONNX: the authors' forward pass (Qin et al. 2020, fig. 5) in operations of OpenVINO's opset 13. The
activation after each convolution is named after the convolution, with ``.relu``, each stage's output after the stage,
so that their ranges can be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.openvino.head import fuse, shifts
from streamseg.errors import OptionError
from streamseg.network.architecture import (
    INPUT_SIZE,
    MEAN,
    STD,
    Architecture,
    Convolution,
    Stage,
    Variant,
    convolutions,
    stage_layers,
)
from streamseg.network.head import HEAD_BIAS, LITE_CONTRAST, fold_head, head_layers
from streamseg.network.quantised import basis_name, restored_name
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.weights import Weights

__all__ = ["GraphBuilder", "build_model"]

Node = Any  # openvino.Node and openvino.Model: OpenVINO ships no typing marker
Model = Any


def build_model(
    weights: Weights, size: int = INPUT_SIZE, batch: int = 1, normalised: bool = False, variant: Variant = "full"
) -> Model:
    """The network with static shapes, ready to compile.

    The input ``rgb`` is uint8 RGB [batch, size, size, 3]; dividing by 255 and normalising by the ImageNet mean and
    deviation happen inside, with the same scale for every image. With ``normalised`` it is instead float32
    [batch, 3, size, size] as the network was trained on. The output ``saliency`` is the fused map, float32
    [batch, 1, size, size] in [0, 1].

    Args:
        size: side of the square input in pixels, at least 32; 320 is what the weights were trained for.
        variant: "lite" leaves out stage 1d, the only decoder stage at full resolution, and with it half of the
            multiplications; the map is then computed at half the size and upsampled.

    Raises:
        OptionError: ``size`` or ``batch`` is too small.
    """
    tensors = {**weights.tensors, **fold_head(weights.tensors)}
    return GraphBuilder(weights.architecture, tensors, variant).build(size, batch, normalised)


class GraphBuilder:
    """Builds one model; subclasses override ``kernel``, ``activation`` and ``image`` for other number formats.

    Args:
        net: the network.
        tensors: what :meth:`kernel` and :meth:`bias` read, with the head folded.
        variant: see build_model.
    """

    def __init__(self, net: Architecture, tensors: Mapping[str, NDArray[Any]], variant: Variant) -> None:
        self.openvino = import_openvino()
        self.ops = self.openvino.opset13
        self.net, self.tensors, self.variant = net, tensors, variant
        self.layers = {layer.name: layer for layer in convolutions(net)}

    def kernel(self, name: str) -> Node:
        """The weights of a convolution, [out, in, k, k]."""
        return self.constant(self.tensors[f"{name}.weight"])

    def activation(self, x: Node) -> Node:
        """An activation as convolutions read it."""
        return x

    def image(self, x: Node) -> Node:
        """The normalised image as the first convolution reads it."""
        return x

    def constant(self, values: NDArray[Any]) -> Node:
        return self.ops.constant(np.ascontiguousarray(values, np.float32))

    def build(self, size: int, batch: int, normalised: bool) -> Model:
        """The whole model, from its input to the fused map; see build_model."""
        if size < 32 or batch < 1:
            raise OptionError(f"size {size}, batch {batch}: expected a size of 32 or more and a batch of 1 or more")
        shape = [batch, 3, size, size] if normalised else [batch, size, size, 3]
        rgb = self.ops.parameter(shape, np.float32 if normalised else np.uint8, name="rgb")
        features = self._features(self.image(rgb if normalised else self._normalise(rgb)))
        sides = [self._side(name, features[k - 1]) for k, name in head_layers(self.variant)]
        logits = fuse(self.ops, sides, self._bias(HEAD_BIAS[self.variant]), size)
        if self.variant == "lite":
            logits = self.ops.multiply(logits, np.float32(LITE_CONTRAST))
        saliency = self.ops.sigmoid(logits, name="saliency")
        rgb.output(0).set_names({"rgb"})
        saliency.output(0).set_names({"saliency"})
        return self.openvino.Model([saliency], [rgb], self.net.name)

    def _normalise(self, rgb: Node) -> Node:
        planes = self.ops.transpose(self.ops.convert(rgb, np.float32), np.array([0, 3, 1, 2], np.int64))
        mean, std = (np.array(values, np.float64).reshape(1, 3, 1, 1) for values in (MEAN, STD))
        scaled = self.ops.multiply(planes, (1 / (255 * std)).astype(np.float32))
        return self.ops.subtract(scaled, (mean / std).astype(np.float32))

    def _features(self, x: Node) -> list[Node]:
        """Outputs of stages 1d … 5d and 6, from fine to coarse; in the lite variant the first is stage 2d's again."""
        skips: list[Node] = []
        for stage in self.net.encoder:
            skips.append(self._stage(stage, self._pool(skips[-1]) if skips else x))
        features = [skips.pop()]
        full = self.variant == "full"
        for stage in self.net.decoder if full else self.net.decoder[:-1]:
            features.insert(0, self._stage(stage, self._upsample_and_join(features[0], skips.pop())))
        return features if full else [features[0], *features]

    def _stage(self, stage: Stage, x: Node) -> Node:
        """One RSU: its encoder, its decoder with skip connections, and the residual."""
        first, second, *layers = stage_layers(stage)
        residual = self._unit(first, x)
        skips = [self._unit(second, residual)]
        for layer in layers[: stage.height - 2]:
            skips.append(self._unit(layer, self._pool(skips[-1]) if stage.pooled else skips[-1]))
        h = self._unit(layers[stage.height - 2], skips[-1])
        for layer in layers[stage.height - 1 :]:
            h = self._unit(layer, self._upsample_and_join(h, skips.pop()))
        return self.activation(self.ops.add(h, residual, name=stage.name))

    def _unit(self, layer: Convolution, x: Node) -> Node:
        """Folded convolution and ReLU."""
        factorised = self.variant == "lite" and f"{basis_name(layer.name)}.weight" in self.tensors
        y = self._factorised(layer, x) if factorised else self._convolution(layer, layer.name, x)
        return self.activation(self.ops.relu(y, name=f"{layer.name}.relu"))

    def _factorised(self, layer: Convolution, x: Node) -> Node:
        """A convolution to few channels, and a 1×1 convolution of these."""
        basis, restored = basis_name(layer.name), restored_name(layer.name)
        few = self.activation(self._convolution(layer, basis, x))
        y = self.ops.convolution(few, self.kernel(restored), [1, 1], [0, 0], [0, 0], [1, 1])
        return self.ops.add(y, self._bias(restored), name=restored)

    def _convolution(self, layer: Convolution, name: str, x: Node) -> Node:
        """A convolution with the tensors called ``name``."""
        pad, dilation = [layer.padding] * 2, [layer.dilation] * 2
        y = self.ops.convolution(x, self.kernel(name), [1, 1], pad, pad, dilation, name=f"{name}.products")
        return self.ops.add(y, self._bias(name), name=name)

    def _bias(self, name: str) -> Node:
        return self.constant(self.tensors[f"{name}.bias"].reshape(1, -1, 1, 1))

    def _side(self, name: str, x: Node) -> Node:
        planes = self.ops.convolution(x, self.kernel(name), [1, 1], [0, 0], [0, 0], [1, 1], name=name)
        return self.ops.convolution(planes, self.constant(shifts()), [1, 1], [1, 1], [1, 1], [1, 1])

    def _pool(self, x: Node) -> Node:
        # opset 1: later ones add a second output, of indices, which is not needed
        return self.openvino.opset1.max_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], rounding_type="ceil")

    def _upsample_and_join(self, x: Node, skip: Node) -> Node:
        return self.ops.concat([self._upsample(x, skip), skip], axis=1)

    def _upsample(self, x: Node, like: Node) -> Node:
        """Torch's bilinear with align_corners=False: half-pixel centres, edges repeated."""
        sizes = _size(like)
        if _size(x) == sizes:
            return x
        axes = np.array([2, 3], np.int64)
        larger = self.ops.interpolate(x, np.array(sizes, np.int64), "linear_onnx", "sizes", axes=axes)
        return self.activation(larger)


def _size(node: Node) -> list[int]:
    """Static height and width of a node's output."""
    return [int(side) for side in node.get_output_shape(0)[2:]]
