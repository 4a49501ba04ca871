"""Bodies of requests: streamed onto the disk, within limits of size and time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfileobj
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ..refusal import Refusal

__all__ = ["Received", "receive"]

#: Seconds without a byte, and for a whole body.
IDLE_S, TOTAL_S = 30.0, 600.0
_WRITE_BYTES = 1 << 20
# For the boundaries and the text fields of a form, and for JSON.
_TEXT_BYTES = 64 << 10


@dataclass(slots=True)
class Received:
    """What a request brought.

    Attributes:
        options: text, by name, of the query, the form or JSON.
        files: by name of the field.
    """

    options: dict[str, str]
    files: dict[str, Path] = field(default_factory=dict)


async def receive(request: Request, folder: Path, max_bytes: int, names: tuple[str, ...]) -> Received:
    """Read a request's body.

    Args:
        request: with a form (multipart/form-data), JSON (an object of text), or a file as its body.
        folder: for the files; each has the name of its field.
        max_bytes: of the body.
        names: of the fields that may be files; the body itself is the first.

    Raises:
        Refusal: it is too large, comes too slowly or is malformed.
    """
    received = Received(dict(request.query_params))
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json":
        received.options.update(await _json(request))
    elif content_type == "multipart/form-data":
        await _form(request, folder, max_bytes, names, received)
    else:
        path = folder / names[0]
        if await _write(_body(request, max_bytes), path):
            received.files[names[0]] = path
    return received


async def _body(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body in pieces, until there are more bytes than ``most``."""
    too_large = Refusal(413, f"the body has more than {most / 1e6:g} MB: send a smaller file")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise too_large
    stream, got, loop = request.stream(), 0, asyncio.get_running_loop()
    end = loop.time() + TOTAL_S
    while True:
        try:
            async with asyncio.timeout_at(min(end, loop.time() + IDLE_S)):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refusal(408, f"the body comes too slowly: expected all of it within {TOTAL_S:.0f} s") from None
        got += len(piece)
        if got > most:
            raise too_large
        yield piece


async def _write(pieces: AsyncGenerator[bytes, None], path: Path) -> int:
    """Write in large blocks, off the event loop; gives the number of bytes."""
    total, block = 0, bytearray()
    with path.open("wb") as file:
        async for piece in pieces:
            block += piece
            if len(block) >= _WRITE_BYTES:
                total += await asyncio.to_thread(file.write, bytes(block))
                block.clear()
        return total + file.write(block)


async def _json(request: Request) -> dict[str, str]:
    body = b"".join([piece async for piece in _body(request, _TEXT_BYTES)])
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(
            400, 'the body is no JSON: expected an object such as {"url": "https://…", "bg": "blur"}'
        ) from None
    if not isinstance(values, dict) or not all(isinstance(value, str | int | float) for value in values.values()):
        raise Refusal(400, 'the body is JSON of another shape: expected an object such as {"url": "https://…"}')
    return {name: _text(value) for name, value in values.items()}


def _text(value: str | float) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


async def _form(request: Request, folder: Path, most: int, names: tuple[str, ...], received: Received) -> None:
    body = _body(request, most + _TEXT_BYTES)
    parser = MultiPartParser(request.headers, body, max_files=len(names), max_fields=20, max_part_size=_TEXT_BYTES)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refusal(400, f"the form is malformed: {error.message}") from None
    except KeyError:
        raise Refusal(400, "the form is malformed: its content type names no boundary") from None
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name not in names or name in received.files:
                    raise Refusal(400, f"a file in the field {name[:40]!r}: expected one each in {', '.join(names)}")
                received.files[name] = folder / name
                await asyncio.to_thread(_copy, value.file, folder / name)
            else:
                received.options[name] = value
    finally:
        await form.close()


def _copy(file: BinaryIO, path: Path) -> None:
    with path.open("wb") as target:
        copyfileobj(file, target, _WRITE_BYTES)
