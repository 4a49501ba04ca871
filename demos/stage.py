"""The live part of the page: two pictures side by side, and what its script asks of the server."""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from streamseg.errors import InputError, StreamsegError

from .visitors import ENDED, Visitor, Visitors

__all__ = ["asset", "live_stage"]

# The camera is asked for more where there are cores to bear it.
_MANY_CORES = 8


def asset(name: str) -> str:
    """The text of a file of the page."""
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")


def live_stage(visitors: Visitors) -> gr.HTML:
    """The component. Its value is the visitor's token; its script is assets/stage.js."""
    width, height = (1280, 720) if (os.cpu_count() or 1) >= _MANY_CORES else (640, 480)
    return gr.HTML(
        "",
        html_template=asset("stage.html").replace("WIDTH", str(width)).replace("HEIGHT", str(height)),
        js_on_load=asset("stage.js"),
        server_functions=_server_functions(visitors),
        elem_id="stage",
        apply_default_css=False,
    )


def _server_functions(visitors: Visitors) -> list[Callable[[Any], Any]]:
    """What the script calls, each with one object that holds the token, each answered by one object."""

    async def ask(request: dict[str, Any]) -> dict[str, Any]:
        """A place: {place: 0}, or how many are before."""
        visitor = _visitor(visitors, request)
        if visitor is None:
            return {"error": ENDED}
        return {"place": visitors.places.ask(visitor.live), "places": visitors.places.limit}

    async def offer(request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a WebRTC offer: {sdp}."""
        visitor = _visitor(visitors, request)
        if visitor is None:
            return {"error": ENDED}
        if visitors.places.ask(visitor.live):
            return {"error": "All places are taken"}
        try:
            return {"sdp": await visitor.connect(str(request.get("sdp")), _settings(request))}
        except StreamsegError as error:
            await visitor.disconnect()
            return {"error": str(error)}
        except ValueError:
            await visitor.disconnect()
            return {"refused": "The browser's offer cannot be answered"}

    async def still(request: dict[str, Any]) -> dict[str, Any]:
        """One picture of the camera for one composite, both JPEG as data: URLs: {jpeg}."""
        visitor = _visitor(visitors, request)
        if visitor is None:
            return {"error": ENDED}
        if visitors.places.ask(visitor.live):
            return {"error": "All places are taken"}
        try:
            return {"jpeg": await asyncio.to_thread(_still, visitor, request)}
        except StreamsegError as error:
            return {"error": str(error), "jpeg": None}

    async def leave(request: dict[str, Any]) -> dict[str, Any]:
        """The visitor has stopped."""
        visitor = _visitor(visitors, request)
        if visitor is not None:
            await visitor.disconnect()
        return {}

    return [ask, offer, still, leave]


def _visitor(visitors: Visitors, request: Any) -> Visitor | None:
    return visitors.by_token(request.get("token")) if isinstance(request, dict) else None


def _settings(request: Mapping[str, Any]) -> dict[str, Any]:
    settings = request.get("settings")
    return settings if isinstance(settings, dict) else {}


def _still(visitor: Visitor, request: Mapping[str, Any]) -> str | None:
    try:
        jpeg = base64.b64decode(str(request.get("jpeg")).partition(",")[2], validate=True)
    except binascii.Error as error:
        raise InputError("a picture of the camera cannot be read: expected JPEG") from error
    composite = visitor.draw(jpeg, _settings(request))
    return "data:image/jpeg;base64," + base64.b64encode(composite).decode() if composite else None
