"""Fixtures: random weights, and weights files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.network.architecture import Architecture, Stage, convolutions, stage_layers

Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def random_folded() -> Callable[[Architecture], Tensors]:
    """Random folded tensors, scaled so that activations neither vanish nor overflow in any layer."""

    def make(net: Architecture) -> Tensors:
        rng = np.random.default_rng(7)
        tensors: Tensors = {}
        for layer in convolutions(net):
            deviation = np.float32((2 / (layer.in_channels * layer.kernel**2)) ** 0.5)
            tensors[f"{layer.name}.weight"] = rng.standard_normal(layer.weight_shape, np.float32) * deviation
            tensors[f"{layer.name}.bias"] = rng.standard_normal(layer.out_channels, np.float32) / 10
        return tensors

    return make


@pytest.fixture(scope="session")
def random_unfolded() -> Callable[[Architecture], Tensors]:
    """Random tensors under the authors' names, with the batch norm of each convolution."""

    def make(net: Architecture) -> Tensors:
        rng = np.random.default_rng(8)
        tensors: Tensors = {}
        for layer in convolutions(net):
            tensors[f"{layer.name}.weight"] = rng.standard_normal(layer.weight_shape, np.float32)
            tensors[f"{layer.name}.bias"] = rng.standard_normal(layer.out_channels, np.float32)
            if layer.norm is not None:
                for part in ("weight", "bias", "running_mean", "running_var"):
                    tensors[f"{layer.norm}.{part}"] = rng.uniform(0.5, 2, layer.out_channels).astype(np.float32)
                tensors[f"{layer.norm}.num_batches_tracked"] = np.array(3, np.int64)
        return tensors

    return make


class OnnxWriter:
    """Writes folded tensors as common ONNX exports do: numbered initialisers, side convolutions in any order."""

    def __init__(self, net: Architecture, tensors: Tensors, dilate: bool = True, bias: bool = True) -> None:
        self.onnx = pytest.importorskip("onnx")
        self.net, self.tensors, self.dilate, self.bias = net, tensors, dilate, bias
        self.layers = {layer.name: layer for layer in convolutions(net)}
        self.nodes: list[Any] = []
        self.initialisers: list[Any] = []

    def write(self, path: Path) -> Path:
        helper, kind = self.onnx.helper, self.onnx.TensorProto.FLOAT
        outputs = self._network()
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "export",
            [value("input.1", kind, [1, 3, 64, 64])],
            [value(name, kind, [1, 1, 64, 64]) for name in outputs],
            self.initialisers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path.write_bytes(model.SerializeToString())
        return path

    def _network(self) -> list[str]:
        down = ["input.1"]
        for stage in self.net.encoder:
            down.append(self._stage(stage, down[-1] if stage.name == "stage1" else self._pool(down[-1])))
        features = [down.pop()]
        for stage in self.net.decoder:
            features.insert(0, self._stage(stage, self._join(features[0], down.pop(), 2)))
        sides = [self._conv(f"side{k}", x) for k, x in enumerate(features, 1)]
        full = [self._resize(x, 2**k) for k, x in enumerate(sides)]
        fused = self._conv("outconv", self._op("Concat", *full, axis=1))
        return [self._op("Sigmoid", x) for x in (fused, *full)]

    def _stage(self, stage: Stage, x: str) -> str:
        first, *names = [layer.name for layer in stage_layers(stage)]
        skip = self._relu(first, x)
        down = [self._relu(names.pop(0), skip)]
        for _ in range(stage.height - 2):
            down.append(self._relu(names.pop(0), self._pool(down[-1]) if stage.pooled else down[-1]))
        x = self._join(self._relu(names.pop(0), down[-1]), down.pop(), 1)
        for name in names[:-1]:
            x = self._join(self._relu(name, x), down.pop(), 2 if stage.pooled else 1)
        return self._op("Add", self._relu(names[-1], x), skip)

    def _pool(self, x: str) -> str:
        return self._op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)

    def _join(self, x: str, skip: str, factor: int) -> str:
        return self._op("Concat", self._resize(x, factor), skip, axis=1)

    def _resize(self, x: str, factor: int) -> str:
        """By a factor instead of sizes: every level of a 64×64 input halves exactly."""
        scales = self._initialiser(np.array([1, 1, factor, factor], np.float32))
        return self._op("Resize", x, "", scales, mode="linear")

    def _relu(self, name: str, x: str) -> str:
        return self._op("Relu", self._conv(name, x))

    def _conv(self, name: str, x: str) -> str:
        layer = self.layers[name]
        inputs = [self._initialiser(self.tensors[f"{name}.weight"])]
        if self.bias:
            inputs.append(self._initialiser(self.tensors[f"{name}.bias"]))
        dilation = layer.dilation if self.dilate else 1
        pads = [dilation * (layer.kernel // 2)] * 4
        return self._op("Conv", x, *inputs, dilations=[dilation] * 2, pads=pads)

    def _initialiser(self, values: np.ndarray) -> str:
        name = str(1967 + len(self.initialisers))
        self.initialisers.append(self.onnx.numpy_helper.from_array(values, name))
        return name

    def _op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name


@pytest.fixture(scope="session")
def onnx_writer() -> type[OnnxWriter]:
    """See :class:`OnnxWriter`."""
    return OnnxWriter
