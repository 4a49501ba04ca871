"""The weights of U²-Net† that streamseg packages, by name, in float32; the CPU has both in 8-bit integers too.

"published" are the authors' own (Apache-2.0), converted by ``scripts/convert_weights.py``.

"tuned", the default, are the mean of these, with a weight of .6, and of what training on people and empty rooms made of
them, with .4, by ``scripts/average_weights.py``: see NOTICE and docs/evaluate-train.md. Such means keep what the first
weights knew and gain what the second learnt (M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["PACKAGED", "PUBLISHED", "TUNED", "PackagedFile", "is_packaged"]

PUBLISHED, TUNED = "published", "tuned"


class PackagedFile(NamedTuple):
    """A file of the package, and its SHA-256 in hexadecimal."""

    path: Path
    sha256: str


#: The files in float32, the default first.
PACKAGED = {
    TUNED: PackagedFile(
        Path(__file__).with_name("u2netp-tuned.safetensors"),
        "1eb1e8177659816cd148426e3c059caeda4eef859915b4dff0dab6a0587240b1",
    ),
    PUBLISHED: PackagedFile(
        Path(__file__).with_name("u2netp.safetensors"),
        "954c7bd41fe5b46ec8d6b1f010b511f99e515255f384cb0b86d041b53e2552e3",
    ),
}


def is_packaged(weights: str | Path | None) -> bool:
    """Whether ``weights`` names packaged ones, as None does; a file of such a name needs a folder before it."""
    return weights is None or (isinstance(weights, str) and weights in PACKAGED)
