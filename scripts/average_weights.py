"""Averages fine-tuned weights of U²-Net† with the published ones, into the file that streamseg packages as "tuned".

    python scripts/average_weights.py run/ema.safetensors streamseg/network/u2netp-tuned.safetensors
    streamseg quantize streamseg/network/u2netp-tuned.safetensors --images DUTS/images

The mean of the folded weights is taken tensor by tensor (M. Wortsman et al., "Robust fine-tuning of zero-shot models",
CVPR 2022). Prints the SHA-256 of the written file, which belongs in streamseg/network/packaged.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from convert_weights import encode, sha256

from streamseg.errors import StreamsegError
from streamseg.network.packaged import PUBLISHED
from streamseg.network.weights import Weights, load_weights, read_weights


def average(published: Weights, tuned: Weights, share: float) -> Weights:
    """(1 − share) · published + share · tuned, in float64 and rounded to float32."""
    tensors = {
        name: ((1 - share) * values.astype(np.float64) + share * tuned.tensors[name]).astype(np.float32)
        for name, values in published.tensors.items()
    }
    return Weights(published.model, tensors)


def main() -> int:
    """Averages one file; 0 on success, 1 with one line on standard error otherwise."""
    parser = argparse.ArgumentParser(description="Average fine-tuned weights with the published ones.")
    parser.add_argument("tuned", type=Path, help="fine-tuned weights of U²-Net†")
    parser.add_argument("target", type=Path, help="the .safetensors to write")
    parser.add_argument("--share", type=float, default=0.4, help="weight of the fine-tuned ones; default: %(default)s")
    options = parser.parse_args()
    try:
        tuned = read_weights(options.tuned)
        mean = average(load_weights(PUBLISHED, tuned.model), tuned, options.share)
    except StreamsegError as error:
        print(error, file=sys.stderr)
        return 1
    source = f"{1 - options.share:g} of the published weights, {options.share:g} of {options.tuned.name}"
    options.target.write_bytes(encode(mean, source, sha256(options.tuned)))
    print(f"{mean!r} -> {options.target}, SHA-256 {sha256(options.target)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
