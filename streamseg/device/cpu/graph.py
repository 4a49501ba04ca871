"""Builds the network as an ``openvino.Model`` straight from the architecture table and the weights.

No torch and no ONNX on the way: what the authors' forward does (Qin et al. 2020, fig. 5) is written with operations
of OpenVINO's opset 13. The activation after each convolution carries the convolution's name and ``.relu``, each stage's
output the stage's name, so that their ranges can be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.head import COARSE_CONTRAST, HEAD_BIAS, fold_head, fuse, head_layers, shifts
from streamseg.errors import OptionError
from streamseg.network.architecture import MEAN, STD, Architecture, Convolution, Stage, convolutions, stage_layers
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.weights import Weights

__all__ = ["GraphBuilder", "basis_name", "build_model", "restored_name"]

Node = Any  # openvino.Node and openvino.Model: OpenVINO ships no typing marker
Model = Any


def build_model(
    weights: Weights, size: int = 320, batch: int = 1, normalised: bool = False, detail: bool = True
) -> Model:
    """The network with static shapes, ready to compile.

    The input ``rgb`` is uint8 RGB [batch, size, size, 3]; dividing by 255 and normalising by the ImageNet mean and
    deviation happen inside, with the same scale for every image. With ``normalised`` it is instead float32
    [batch, 3, size, size] as the network was trained on. The output ``saliency`` is the fused map, float32
    [batch, 1, size, size] in [0, 1].

    Args:
        size: side of the square input in pixels, at least 32; 320 is what the weights were trained for.
        detail: False leaves out stage 1d, the only one on the way up that works at full resolution, and half of the
            arithmetic with it; the map is then made at half the size and upsampled.

    Raises:
        OptionError: ``size`` or ``batch`` is too small.
    """
    tensors = {**weights.tensors, **fold_head(weights.tensors)}
    return GraphBuilder(weights.architecture, tensors, detail).build(size, batch, normalised)


class GraphBuilder:
    """Holds what every node needs while one model is built; ``kernel`` and ``signal`` are for other arithmetics.

    Args:
        net: the network.
        tensors: what :meth:`kernel` and :meth:`bias` read, with the head folded.
        detail: see build_model.
    """

    def __init__(self, net: Architecture, tensors: Mapping[str, NDArray[Any]], detail: bool) -> None:
        self.openvino = import_openvino()
        self.ops = self.openvino.opset13
        self.net, self.tensors, self.detail = net, tensors, detail
        self.layers = {layer.name: layer for layer in convolutions(net)}

    def kernel(self, name: str) -> Node:
        """The weights of a convolution, [out, in, k, k]."""
        return self.constant(self.tensors[f"{name}.weight"])

    def signal(self, x: Node) -> Node:
        """An activation as convolutions read it."""
        return x

    def image(self, x: Node) -> Node:
        """The normalised picture as the first convolution reads it."""
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
        sides = [self._side(name, features[k - 1]) for k, name in head_layers(self.detail)]
        logits = fuse(self.ops, sides, self._bias(HEAD_BIAS[self.detail]), size)
        if not self.detail:
            logits = self.ops.multiply(logits, np.float32(COARSE_CONTRAST))
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
        """Outputs of stages 1d … 5d and 6, from fine to coarse; without detail the first is stage 2d's again."""
        down: list[Node] = []
        for stage in self.net.encoder:
            down.append(self._stage(stage, self._pool(down[-1]) if down else x))
        features = [down.pop()]
        for stage in self.net.decoder if self.detail else self.net.decoder[:-1]:
            features.insert(0, self._stage(stage, self._upsample_and_join(features[0], down.pop())))
        return features if self.detail else [features[0], *features]

    def _stage(self, stage: Stage, x: Node) -> Node:
        """One RSU: down through its convolutions, up again through as many joined ones, plus its input's."""
        first, second, *layers = stage_layers(stage)
        skip = self._unit(first, x)
        down = [self._unit(second, skip)]
        for layer in layers[: stage.height - 2]:
            down.append(self._unit(layer, self._pool(down[-1]) if stage.pooled else down[-1]))
        h = self._unit(layers[stage.height - 2], down[-1])
        for layer in layers[stage.height - 1 :]:
            h = self._unit(layer, self._upsample_and_join(h, down.pop()))
        return self.signal(self.ops.add(h, skip, name=stage.name))

    def _unit(self, layer: Convolution, x: Node) -> Node:
        """Folded convolution and ReLU."""
        in_two = not self.detail and f"{basis_name(layer.name)}.weight" in self.tensors
        maps = self._factorised(layer, x) if in_two else self._convolution(layer, layer.name, x)
        return self.signal(self.ops.relu(maps, name=f"{layer.name}.relu"))

    def _factorised(self, layer: Convolution, x: Node) -> Node:
        """A convolution to few maps, and a 1×1 one of these."""
        basis, restored = basis_name(layer.name), restored_name(layer.name)
        maps = self.signal(self._convolution(layer, basis, x))
        mixed = self.ops.convolution(maps, self.kernel(restored), [1, 1], [0, 0], [0, 0], [1, 1])
        return self.ops.add(mixed, self._bias(restored), name=restored)

    def _convolution(self, layer: Convolution, name: str, x: Node) -> Node:
        """With the tensors of that name."""
        pad, dilation = [layer.padding] * 2, [layer.dilation] * 2
        maps = self.ops.convolution(x, self.kernel(name), [1, 1], pad, pad, dilation, name=f"{name}.products")
        return self.ops.add(maps, self._bias(name), name=name)

    def _bias(self, name: str) -> Node:
        return self.constant(self.tensors[f"{name}.bias"].reshape(1, -1, 1, 1))

    def _side(self, name: str, x: Node) -> Node:
        planes = self.ops.convolution(x, self.kernel(name), [1, 1], [0, 0], [0, 0], [1, 1], name=name)
        return self.ops.convolution(planes, self.constant(shifts()), [1, 1], [1, 1], [1, 1], [1, 1])

    def _pool(self, x: Node) -> Node:
        # opset 1: the later ones add a second output that nobody reads
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
        return self.signal(larger)


def basis_name(convolution: str) -> str:
    """The first of the two convolutions that stand in for this one without detail, where it was factorised."""
    return f"{convolution}.basis"


def restored_name(convolution: str) -> str:
    """The second, see basis_name."""
    return f"{convolution}.restored"


def _size(node: Node) -> list[int]:
    """Static height and width of a node's output."""
    return [int(side) for side in node.get_output_shape(0)[2:]]
