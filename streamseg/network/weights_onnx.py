"""Weights from an ONNX export, read by OpenVINO's front end: neither the onnx package nor torch is needed.

Exports in common use fold batch norm and number their initialisers ("1967", "1968", …), so tensors are identified by
the graph instead of by name: a stage's convolutions form one chain, and the fusion joins side1 … side6 in that order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import WeightsError
from streamseg.network.architecture import U2NETP, Convolution, convolutions
from streamseg.network.quiet_openvino import import_openvino

__all__ = ["read_onnx"]

Node = Any  # openvino.Node; OpenVINO ships no typing marker


def read_onnx(path: Path) -> dict[str, NDArray[np.float32]]:
    """``NAME.weight`` and ``NAME.bias`` of every convolution, folded, float32, under the authors' names.

    Raises:
        WeightsError: OpenVINO cannot read the file, or its graph is not that of a folded U²-Net.
    """
    model = _read_model(path)  # keep a reference: nodes do not own their consumers
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    layers = convolutions(U2NETP)  # both networks have the same names and dilations
    if len(nodes) != len(layers):
        raise WeightsError(f"{path}: has {len(nodes)} convolutions, expected the {len(layers)} of U²-Net")
    tensors: dict[str, NDArray[np.float32]] = {}
    for layer, node in zip(layers, _in_execution_order(path, nodes), strict=True):
        _check_dilation(path, layer, node)
        tensors[f"{layer.name}.weight"] = _constant(path, layer, node.input_value(1).get_node())
        tensors[f"{layer.name}.bias"] = _constant(path, layer, _bias_node(node)).reshape(-1)
    return tensors


def _read_model(path: Path) -> Any:
    try:
        return import_openvino().Core().read_model(str(path))
    except RuntimeError:
        raise WeightsError(f"{path}: truncated, damaged or not an ONNX model: download it again") from None


def _in_execution_order(path: Path, nodes: list[Node]) -> list[Node]:
    """The stages' convolutions, side1 … side6 and the fusion, from nodes in topological order.

    Each stage convolution depends on all those before it, and the fusion on all others. Only the side convolutions may
    be anywhere among them; they are found by walking up from the fusion's inputs.
    """
    fusion = nodes[-1]
    concatenation = fusion.input_value(0).get_node()
    sides = [_first_convolution(value.get_node()) for value in concatenation.input_values()]
    names = [node.get_friendly_name() for node in sides if node is not None]
    stages = [node for node in nodes[:-1] if node.get_friendly_name() not in names]
    if len(names) != 6 or len(stages) + len(sides) + 1 != len(nodes):
        raise WeightsError(f"{path}: does not end in the fusion of six side outputs, as U²-Net does")
    return [*stages, *sides, fusion]


def _first_convolution(node: Node) -> Node | None:
    """The convolution that ``node`` is, or that its chain of first inputs (bias, resize, …) leads to."""
    while node.get_type_name() != "Convolution":
        if node.get_input_size() == 0:
            return None
        node = node.input_value(0).get_node()
    return node


def _bias_node(node: Node) -> Node | None:
    """The node that is added to a convolution's output, or None."""
    for target in node.output(0).get_target_inputs():
        consumer = target.get_node()
        if consumer.get_type_name() == "Add":
            return consumer.input_value(1 - target.get_index()).get_node()
    return None


def _constant(path: Path, layer: Convolution, node: Node | None) -> NDArray[np.float32]:
    """The values of a constant, which may be reshaped."""
    if node is not None and node.get_type_name() == "Reshape":
        node = node.input_value(0).get_node()
    if node is None or node.get_type_name() != "Constant" or node.get_element_type().to_dtype() != np.float32:
        raise WeightsError(
            f"{path}: {layer.name} has no float32 weight and bias: export it in float32 with batch norm folded"
        )
    return np.array(node.get_data(), dtype=np.float32)


def _check_dilation(path: Path, layer: Convolution, node: Node) -> None:
    got = tuple(node.get_attributes()["dilations"])
    if got != (layer.dilation, layer.dilation):
        raise WeightsError(f"{path}: not U²-Net: {layer.name} has dilation {got}, expected {layer.dilation}")
