"""Converts MediaPipe's selfie segmentation network (its general model) to the safetensors that streamseg packages.

    pip download --no-deps mediapipe==0.10.21
    unzip mediapipe-0.10.21-*.whl mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite
    pip install tflite
    python scripts/convert_selfie.py selfie_segmentation.tflite streamseg/network/selfie.safetensors

The weights are float16 in that file and stay so. They are Google's, under Apache-2.0, as the wheel's licence and the
model card say (https://storage.googleapis.com/mediapipe-assets/Model%20Card%20MediaPipe%20Selfie%20Segmentation.pdf).
Prints the SHA-256 of the written file, which belongs into streamseg/network/selfie.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import StreamsegError, WeightsError
from streamseg.network.selfie import Layer, selfie_layers

SOURCE_SHA256 = "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c"
METADATA = {
    "format": "streamseg selfie 1",
    "model": "MediaPipe selfie segmentation, general",
    "source": f"mediapipe 0.10.21, selfie_segmentation.tflite, SHA-256 {SOURCE_SHA256}",
    "licence": "Apache-2.0",
    "authors": "Google",
    "url": "https://github.com/google-ai-edge/mediapipe",
}
TRANSPOSED = b"Convolution2DTransposeBias"

Half = NDArray[np.float16]


class Operator(NamedTuple):
    """A convolution of the file: its kind, and its weight and bias as they are stored."""

    kind: str
    weight: Half
    bias: Half


def operators(data: bytes) -> Iterator[Operator]:
    """The convolutions of a TensorFlow Lite file in the order in which they run."""
    import tflite

    kinds = {tflite.BuiltinOperator.CONV_2D: "full", tflite.BuiltinOperator.DEPTHWISE_CONV_2D: "depthwise"}
    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    halves: dict[int, int] = {}  # tensor in float32 → the one in float16 that it is dequantised from
    for operator in (graph.Operators(index) for index in range(graph.OperatorsLength())):
        code = model.OperatorCodes(operator.OpcodeIndex())
        builtin = code.DeprecatedBuiltinCode()
        kind = "transposed" if code.CustomCode() == TRANSPOSED else kinds.get(builtin)
        if builtin == tflite.BuiltinOperator.DEQUANTIZE:
            halves[operator.Outputs(0)] = operator.Inputs(0)
        elif kind:
            weight, bias = (_values(model, graph, halves[operator.Inputs(k)]) for k in (1, 2))
            yield Operator(kind, weight, bias)


def _values(model: Any, graph: Any, index: int) -> Half:
    tensor = graph.Tensors(index)
    stored = model.Buffers(tensor.Buffer()).DataAsNumpy()
    return np.frombuffer(stored.tobytes(), np.float16).reshape(tensor.ShapeAsNumpy())


def tensors_of(layer: Layer, operator: Operator) -> dict[str, Half]:
    """The tensors of a layer, from channels last to ``Layer.weight_shape``."""
    weight, bias = operator.weight, operator.bias
    if operator.kind == "transposed":  # [1, 2, 2, in]: each of the four taps is a channel
        weight, bias = weight.reshape(4, 1, 1, -1), bias.repeat(4)
    axes = (3, 0, 1, 2) if operator.kind == "depthwise" else (0, 3, 1, 2)
    tensors = {f"{layer.name}.weight": weight.transpose(axes), f"{layer.name}.bias": bias}
    shapes = [values.shape for values in tensors.values()]
    if shapes != [layer.weight_shape, (layer.out_channels,)]:
        raise WeightsError(f"{layer.name}: shapes are {shapes}, expected {layer.weight_shape}: it is another network")
    return {name: np.ascontiguousarray(values) for name, values in tensors.items()}


def convert(data: bytes) -> bytes:
    """The content of the packaged file; equal input gives equal bytes.

    Raises:
        WeightsError: ``data`` is another file than that of mediapipe 0.10.21.
    """
    from safetensors.numpy import save

    digest = hashlib.sha256(data).hexdigest()
    if digest != SOURCE_SHA256:
        raise WeightsError(f"SHA-256 is {digest}, expected {SOURCE_SHA256}: take the file from mediapipe 0.10.21")
    tensors: dict[str, Half] = {}
    for layer, operator in zip(selfie_layers(), operators(data), strict=True):
        tensors |= tensors_of(layer, operator)
    return _sort_header(save(tensors, METADATA))


def _sort_header(data: bytes) -> bytes:
    """The same file with its header's keys sorted: safetensors writes metadata in random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":"))
    return data[:8] + header.encode().ljust(end - 8) + data[end:]


def main(arguments: list[str] | None = None) -> int:
    """Converts one file; 0 on success, 1 with one line on standard error otherwise."""
    parser = argparse.ArgumentParser(description="Convert MediaPipe's selfie segmentation network to safetensors.")
    parser.add_argument("source", type=Path, help="selfie_segmentation.tflite")
    parser.add_argument("target", type=Path, help="the .safetensors to write")
    options = parser.parse_args(arguments)
    try:
        content = convert(options.source.read_bytes())
    except StreamsegError as error:
        print(f"{options.source}: {error}", file=sys.stderr)
        return 1
    options.target.write_bytes(content)
    print(f"{options.target}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
