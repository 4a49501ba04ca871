"""How the image of a HEIF file (HEIC, AVIF) is to be cropped, turned and mirrored; FFmpeg tells only a part of it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = ["Transform", "transforms_of"]

#: From an array [rows, columns, …] to a view of it.
Transform = Callable[[NDArray[Any]], NDArray[Any]]

# Tiles and their descriptions; images themselves are elsewhere.
_MOST_BYTES = 16 << 20


def transforms_of(path: str) -> list[Transform] | None:
    """What is to be done with the decoded primary image, in order (ISO/IEC 23008-12, 6.5.8 to 6.5.10).

    Returns:
        None for what is no HEIF file, is damaged, or cannot be read twice.
    """
    try:
        with Path(path).open("rb") as file:
            meta = _meta(file)
        return None if meta is None else [_transform(*each) for each in _properties(meta) if each[0] in _KNOWN]
    except (OSError, ValueError, struct.error, IndexError, KeyError):
        return None


def _meta(file: BinaryIO) -> bytes | None:
    """The payload of the first box of that name, after its version and flags."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        payload = size - 8
        if size == 1:
            payload = int.from_bytes(file.read(8), "big") - 16
        if kind == b"meta":
            return file.read(min(payload, _MOST_BYTES))[4:]
        if payload < 0:  # up to the end of the file
            return None
        file.seek(payload, 1)
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kinds and payloads."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _properties(meta: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The properties of the primary item, in the order in which they apply."""
    inner = dict(_boxes(meta))
    wide = bool(inner[b"pitm"][0])
    primary = int.from_bytes(inner[b"pitm"][4 : 8 if wide else 6], "big")
    properties = list(_boxes(dict(_boxes(inner[b"iprp"]))[b"ipco"]))
    for kind, association in _boxes(inner[b"iprp"]):
        if kind == b"ipma":
            yield from (properties[index - 1] for index in _associated(association, primary) if index)


def _associated(data: bytes, item: int) -> list[int]:
    """Numbers of the properties of an item, from 1."""
    id_bytes, index_bytes = (4 if data[0] else 2), (2 if data[3] & 1 else 1)
    (count,), at = struct.unpack(">I", data[4:8]), 8
    essential = 1 << (8 * index_bytes - 1)
    found: list[int] = []
    for _ in range(count):
        number, length = int.from_bytes(data[at : at + id_bytes], "big"), data[at + id_bytes]
        at += id_bytes + 1
        if number == item:
            ends = range(at, at + length * index_bytes, index_bytes)
            found += [int.from_bytes(data[k : k + index_bytes], "big") & ~essential for k in ends]
        at += length * index_bytes
    return found


def _turned(payload: bytes) -> Transform:
    quarters = payload[0] & 3  # anticlockwise
    return lambda image: np.rot90(image, quarters)


def _mirrored(payload: bytes) -> Transform:
    axis = payload[0] & 1
    return lambda image: np.flip(image, axis)


def _cropped(payload: bytes) -> Transform:
    """By a clean aperture (ISO/IEC 14496-12, 12.1.4); an empty one crops nothing."""
    numbers = struct.unpack(">4I", payload[:16]) + struct.unpack(">iIiI", payload[16:32])
    if not all(numbers[1::2]):
        return lambda image: image
    width, height, right, down = (Fraction(*numbers[k : k + 2]) for k in (0, 2, 4, 6))

    def apply(image: NDArray[Any]) -> NDArray[Any]:
        rows, columns = _span(image.shape[0], height, down), _span(image.shape[1], width, right)
        part = image[rows, columns]
        return part if part.size else image

    return apply


def _span(whole: int, length: Fraction, offset: Fraction) -> slice:
    """The pixels of one dimension; ``offset``: of the centre of the part from that of the whole."""
    first = floor(offset + (whole - length) / 2)
    return slice(max(0, first), max(0, min(whole, first + round(length))))


_KNOWN = {b"clap": _cropped, b"irot": _turned, b"imir": _mirrored}


def _transform(kind: bytes, payload: bytes) -> Transform:
    return _KNOWN[kind](payload)
