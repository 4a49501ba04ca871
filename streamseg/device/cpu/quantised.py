"""The packaged U²-Net† in 8-bit integers, made by ``scripts/quantize.py``."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.errors import WeightsError
from streamseg.network.architecture import MEAN, STD
from streamseg.network.quiet_openvino import import_openvino

__all__ = ["QUANTISED_MODEL", "QUANTISED_SIZE", "quantised_model"]

QUANTISED_MODEL = Path(__file__).with_name("u2netp-int8.xml")
QUANTISED_SIZE = 320
_SHA256 = {
    ".xml": "22c977dd76b613c9cb01d1d21e8426b1bcb89d44057c3534242617f4323ce3af",
    ".bin": "1f4002561a67be47408005a221c90ba0cc941a4cbed3594b87f1837c81ffbea9",
}


def quantised_model(normalised: bool = False) -> Any:
    """An ``openvino.Model`` with the inputs and the output of :func:`streamseg.device.cpu.graph.build_model`.

    Raises:
        WeightsError: the packaged files are missing or were altered.
    """
    _check_files()
    model = import_openvino().Core().read_model(QUANTISED_MODEL)
    return model if normalised else _with_normalisation(model)


def _check_files() -> None:
    for suffix, expected in _SHA256.items():
        path = QUANTISED_MODEL.with_suffix(suffix)
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise WeightsError(f"{path}: missing or altered; install streamseg again")


def _with_normalisation(model: Any) -> Any:
    """The model behind the stream's normalisation: uint8 RGB [1, size, size, 3] in, one scale for every image."""
    openvino = import_openvino()
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    mean, deviation = (list(255 * np.array(values)) for values in (MEAN, STD))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(mean).scale(deviation)
    return steps.build()
