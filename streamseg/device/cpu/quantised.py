"""The packaged weights of U²-Net† in 8-bit integers, as ``streamseg quantize`` makes them; "published" at 320² only."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from streamseg.network.packaged import PUBLISHED, TUNED, PackagedFile
from streamseg.network.quantised import QuantisedWeights, quantised_weights
from streamseg.network.weights_files import packaged_bytes

__all__ = ["QUANTISED", "packaged_quantised"]

#: The packaged files, by the names of streamseg.network.packaged.
QUANTISED = {
    TUNED: PackagedFile(
        Path(__file__).with_name("u2netp-tuned-int8.safetensors"),
        "ec37e38ee4dc91b049a6f4043eb68946876372dc09c4ad58c9dc8fae0a8377f6",
    ),
    PUBLISHED: PackagedFile(
        Path(__file__).with_name("u2netp-int8.safetensors"),
        "e2713bf5fece02a18614c892f2194811ae2723a988000220e915782d1cfe4786",
    ),
}


def packaged_quantised(name: str = TUNED) -> QuantisedWeights:
    """The packaged weights of that name; the same object each time.

    Raises:
        WeightsError: the packaged file is missing or was altered.
    """
    return _checked(QUANTISED[name])


@cache
def _checked(file: PackagedFile) -> QuantisedWeights:
    return quantised_weights(packaged_bytes(*file))
