"""MediaPipe's network for selfies on a CPU, run by OpenVINO in float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.device.cpu.network import CPUNetwork, Requests, check_threads
from streamseg.device.cpu.openvino.compiling import OpenVINORequest, compile_cached
from streamseg.network.architecture import MEAN, STD
from streamseg.network.quiet_openvino import import_openvino
from streamseg.network.selfie import SELFIE_SIZE, Layer, run_selfie, selfie_tensors

__all__ = ["SelfieNetwork", "selfie_model"]

Node = Any  # openvino.Node and openvino.Model: OpenVINO ships no typing marker
Model = Any


class SelfieNetwork(CPUNetwork):
    """How certainly each pixel belongs to a person near the camera, from the packaged weights.

    Used like the saliency networks of :func:`streamseg.device.cpu.open_network.open_network`, at 256×256 only.

    Args:
        threads: CPU threads to use; None for as many as there are cores.
        in_flight: inferences that run at a time, each on its share of the threads.

    Raises:
        OptionError: ``threads`` or ``in_flight`` is below 1.
        WeightsError: the packaged weights are missing or were altered.
    """

    def __init__(self, threads: int | None = None, in_flight: int = 1) -> None:
        check_threads(threads, in_flight)

        def requests() -> Requests:
            compiled = compile_cached(selfie_model(), threads, in_flight)
            images = [OpenVINORequest(compiled) for _ in range(in_flight)]
            return Requests(images, lambda: OpenVINORequest(compile_cached(selfie_model(True), threads, 1)))

        super().__init__(SELFIE_SIZE, requests)


def selfie_model(normalised: bool = False) -> Model:
    """The network with the packaged weights as an ``openvino.Model``, ready to compile.

    The input ``rgb`` is uint8 RGB [1, 256, 256, 3]; with ``normalised`` it is float32 [1, 3, 256, 256], less the
    ImageNet mean and divided by the standard deviation, as for U²-Net. The output ``saliency`` is float32
    [1, 1, 256, 256] in [0, 1].

    Raises:
        WeightsError: the packaged weights are missing or were altered.
    """
    ops = _Operations(selfie_tensors())
    rgb, scaled = ops.normalised_image() if normalised else ops.image()
    saliency = run_selfie(ops, scaled)
    rgb.output(0).set_names({"rgb"})
    saliency.output(0).set_names({"saliency"})
    return import_openvino().Model([saliency], [rgb], "selfie")


class _Operations:
    """See streamseg.network.selfie.Operations."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        self.ops = import_openvino().opset13
        self.tensors = tensors

    def constant(self, values: Any) -> Node:
        return self.ops.constant(np.ascontiguousarray(values, np.float32))

    def image(self) -> tuple[Node, Node]:
        """The input, and its RGB in [0, 1] as planes."""
        rgb = self.ops.parameter([1, SELFIE_SIZE, SELFIE_SIZE, 3], np.uint8, name="rgb")
        planes = self.ops.transpose(self.ops.convert(rgb, np.float32), np.array([0, 3, 1, 2], np.int64))
        return rgb, self.ops.multiply(planes, self.constant(1 / 255))

    def normalised_image(self) -> tuple[Node, Node]:
        rgb = self.ops.parameter([1, 3, SELFIE_SIZE, SELFIE_SIZE], np.float32, name="rgb")
        mean, std = (self.constant(np.array(values).reshape(1, 3, 1, 1)) for values in (MEAN, STD))
        return rgb, self.ops.add(self.ops.multiply(rgb, std), mean)

    def convolve(self, x: Node, layer: Layer) -> Node:
        weight, bias = self.tensors[f"{layer.name}.weight"], self.tensors[f"{layer.name}.bias"]
        stride, (before, after) = [layer.stride] * 2, layer.padding
        pads = stride, [before] * 2, [after] * 2, [1, 1]
        if layer.depthwise:  # [groups, out, in, k, k]
            y = self.ops.group_convolution(x, self.constant(weight[:, None]), *pads)
        else:
            y = self.ops.convolution(x, self.constant(weight), *pads)
        y = self.ops.add(y, self.constant(bias.reshape(1, -1, 1, 1)), name=layer.name)
        activations = {"relu": self.ops.relu, "hard_swish": self.ops.hswish, "sigmoid": self.ops.sigmoid}
        return activations[layer.activation](y) if layer.activation != "none" else y

    def mean(self, x: Node) -> Node:
        return self.ops.reduce_mean(x, np.array([2, 3], np.int64), True)

    def upsample(self, x: Node) -> Node:
        side = int(x.get_output_shape(0)[2])
        axes, sizes = np.array([2, 3], np.int64), np.array([2 * side, 2 * side], np.int64)
        return self.ops.interpolate(x, sizes, "linear_onnx", "sizes", axes=axes)

    def add(self, a: Node, b: Node) -> Node:
        return self.ops.add(a, b)

    def multiply(self, a: Node, b: Node) -> Node:
        return self.ops.multiply(a, b)

    def unfold(self, x: Node) -> Node:
        return self.ops.depth_to_space(x, "blocks_first", 2)
