"""Boxes of HEIF files (ISO/IEC 23008-12), changed by tests."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

__all__ = ["box", "boxes", "with_properties"]


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kinds and payloads."""
    at = 0
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def with_properties(data: bytes, properties: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A HEIF file with properties, (kind, payload) each, added to those of its primary item, in that order."""
    meta = dict(boxes(data))[b"meta"]
    inner = dict(boxes(meta[4:]))
    primary = int.from_bytes(inner[b"pitm"][4:6], "big")
    parts = dict(boxes(inner[b"iprp"]))
    count = len(list(boxes(parts[b"ipco"])))
    added = range(count + 1, count + 1 + len(properties))
    container = box(b"ipco", parts[b"ipco"] + b"".join(box(*each) for each in properties))
    changed = box(b"iprp", container + box(b"ipma", _associated(parts[b"ipma"], primary, added)))
    longer = len(changed) - len(inner[b"iprp"]) - 8
    out = b""
    for kind, payload in boxes(data):
        if kind == b"meta":
            rest = {b"iprp": changed, b"iloc": box(b"iloc", _moved(inner[b"iloc"], longer))}
            payload = meta[:4] + b"".join(rest.get(name, box(name, each)) for name, each in boxes(meta[4:]))
        out += box(kind, payload)
    return out


def _associated(data: bytes, item: int, added: Sequence[int]) -> bytes:
    (count,), at, out = struct.unpack(">I", data[4:8]), 8, data[:8]
    width = 2 if data[3] & 1 else 1
    for _ in range(count):
        number, length = struct.unpack(">HB", data[at : at + 3])
        own = data[at + 3 : at + 3 + length * width]
        at += 3 + len(own)
        if number == item:
            own += b"".join((each | 1 << (8 * width - 1)).to_bytes(width, "big") for each in added)
        out += struct.pack(">HB", number, len(own) // width) + own
    return out


def _moved(data: bytes, by: int) -> bytes:
    """Places of items, later in the file: with a base, or one offset for each item, of four bytes."""
    out, at = bytearray(data), 8
    has_method, base = data[0] in (1, 2), data[5] >> 4
    for _ in range(int.from_bytes(data[6:8], "big")):
        in_file = not has_method or not data[at + 3] & 15
        at += 2 + 2 * has_method + 2
        offset = at if base else at + 2
        extents = int.from_bytes(data[at + base : at + base + 2], "big")
        if in_file:
            out[offset : offset + 4] = (int.from_bytes(data[offset : offset + 4], "big") + by).to_bytes(4, "big")
        at += base + 2 + extents * ((data[4] >> 4) + (data[4] & 15))
    return bytes(out)
