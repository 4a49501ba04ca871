"""Reads the tensors of weights files of several formats; ``weights`` interprets them.

Each reader turns every failure of the library that it uses into a one-line error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import MissingDependency, WeightsError
from streamseg.network.weights_onnx import read_onnx

__all__ = ["packaged_bytes", "read_tensors"]

Tensors = dict[str, NDArray[np.float32]]


def read_tensors(path: Path) -> Tensors:
    """All tensors of a file by name, converted to float32, without ``….num_batches_tracked``.

    Args:
        path: a ``.safetensors``, ``.pth``, ``.pt`` or ``.onnx`` file.

    Raises:
        WeightsError: the file is missing, empty, of another format, truncated or not readable.
        MissingDependency: a ``.pth`` was given and torch is not installed.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(f"{path}: unknown weights format {path.suffix!r}: expected {', '.join(_READERS)}")
    _check_file(path)
    return reader(path)


def packaged_bytes(path: Path, sha256: str) -> bytes:
    """The content of a file that streamseg packages.

    Raises:
        WeightsError: the file is missing, or its SHA-256 is another.
    """
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsError(f"{path}: missing or altered; install streamseg again")
    return data


def _check_file(path: Path) -> None:
    if not path.is_file():
        what = "is not a file" if path.exists() else "no such file"
        raise WeightsError(f"{path}: {what}: give the path of a weights file")
    if path.stat().st_size == 0:
        raise WeightsError(f"{path}: the file is empty: download it again")


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(path.read_bytes())
    except SafetensorError:
        raise WeightsError(f"{path}: truncated, damaged or not a safetensors file: download it again") from None
    except KeyError as error:
        raise WeightsError(f"{path}: contains tensors of type {error}: save them as float32") from None
    return {name: _float32(path, name, values) for name, values in tensors.items() if not _is_counter(name)}


def _read_pth(path: Path) -> Tensors:
    try:
        import torch
    except ImportError:
        raise MissingDependency(f'{path}: reading it needs torch: pip install "streamseg[train]"') from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch does not wrap the errors of its unpickler, zip and tar readers
        raise WeightsError(f"{path}: truncated, damaged or not a torch file: download it again") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path}: is not a plain state dict: save model.state_dict() alone")
    return {name: value.detach().float().numpy() for name, value in state.items() if not _is_counter(name)}


def _float32(path: Path, name: str, values: NDArray[np.generic]) -> NDArray[np.float32]:
    if values.dtype == np.int8:
        raise WeightsError(f"{path}: holds weights in 8-bit integers, expected those in float32 that they were made of")
    if not np.issubdtype(values.dtype, np.floating):
        raise WeightsError(f"{path}: tensor {name} has type {values.dtype}, expected floating point")
    with np.errstate(over="ignore"):  # overflow gives infinities, which Weights rejects
        return values.astype(np.float32)


def _is_counter(name: str) -> bool:
    return name.endswith(".num_batches_tracked")


_READERS: dict[str, Callable[[Path], Tensors]] = {
    ".safetensors": _read_safetensors,
    ".pth": _read_pth,
    ".pt": _read_pth,
    ".onnx": read_onnx,
}
