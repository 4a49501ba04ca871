"""The packaged U²-Net† in 8-bit integers, measured at 320² only; else as ``streamseg quantize`` makes it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from streamseg.network.quantised import QuantisedWeights, quantised_weights
from streamseg.network.weights_files import packaged_bytes

__all__ = ["QUANTISED_WEIGHTS", "packaged_quantised"]

#: The packaged file.
QUANTISED_WEIGHTS = Path(__file__).with_name("u2netp-int8.safetensors")
_SHA256 = "e2713bf5fece02a18614c892f2194811ae2723a988000220e915782d1cfe4786"


def packaged_quantised() -> QuantisedWeights:
    """The packaged weights; the same object each time.

    Raises:
        WeightsError: the packaged file is missing or was altered.
    """
    return _checked(QUANTISED_WEIGHTS)


@cache
def _checked(path: Path) -> QuantisedWeights:
    return quantised_weights(packaged_bytes(path, _SHA256))
