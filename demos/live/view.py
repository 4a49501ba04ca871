"""The live view of the page: camera and composite side by side, and what its script calls on the server."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from streamseg.errors import InputError, StreamsegError
from streamseg.runtime import usable_cores

from ..theme import asset
from ..visitors import SESSION_ENDED, Visitor, Visitors

__all__ = ["live_view"]

# Run by Gradio as one script, in this order.
_SCRIPTS = ("live_figures.js", "live_view.js", "live_picture.js", "live_recovery.js")
# With fewer CPU cores the camera is asked for 640×480.
_CORES_FOR_720P = 8
_NOT_ADMITTED = "All places are taken: start the camera again to wait for one"


def live_view(visitors: Visitors) -> gr.HTML:
    """The component; its value is the visitor's token."""
    width, height = (1280, 720) if usable_cores() >= _CORES_FOR_720P else (640, 480)
    return gr.HTML(
        "",
        html_template=asset("live_view.html").replace("WIDTH", str(width)).replace("HEIGHT", str(height)),
        js_on_load="\n".join(map(asset, _SCRIPTS)),
        server_functions=_server_functions(visitors),
        elem_id="live-view",
        apply_default_css=False,
    )


def _server_functions(visitors: Visitors) -> list[Callable[[Any], Any]]:
    """What the script calls: each function takes an object with the visitor's token, and returns an object.

    Where it fails, the object has a message under ``error``.
    """

    async def request_slot(request: dict[str, Any]) -> dict[str, Any]:
        """Ask for admission: {position, capacity}; see Admission.request."""
        visitor = _visitor(visitors, request)
        if visitor is None:
            return {"error": SESSION_ENDED}
        admission = visitors.admission
        return {"position": admission.request(visitor.live_id), "capacity": admission.capacity}

    async def offer(request: dict[str, Any]) -> dict[str, Any]:
        """Answer a WebRTC offer: {sdp}; or {webrtc_error}, with which the page falls back to still images."""
        visitor = _visitor(visitors, request)
        if visitor is None:
            return {"error": SESSION_ENDED}
        if visitors.admission.request(visitor.live_id):
            return {"error": _NOT_ADMITTED}
        try:
            return {"sdp": await visitor.connect(str(request.get("sdp")), _settings(request))}
        except StreamsegError as error:
            await visitor.disconnect()
            return {"error": str(error)}
        except ValueError:
            await visitor.disconnect()
            return {"webrtc_error": "The browser's offer cannot be answered"}

    async def still(request: dict[str, Any]) -> dict[str, Any]:
        """One frame of the camera in, one composite out, both JPEG as data: URLs: {jpeg}."""
        visitor = _visitor(visitors, request)
        if visitor is None:
            return {"error": SESSION_ENDED}
        if visitors.admission.request(visitor.live_id):
            return {"error": _NOT_ADMITTED}
        try:
            return {"jpeg": await asyncio.to_thread(_composite_still, visitor, request)}
        except StreamsegError as error:
            return {"error": str(error), "jpeg": None}

    async def disconnect(request: dict[str, Any]) -> dict[str, Any]:
        """The visitor has stopped."""
        visitor = _visitor(visitors, request)
        if visitor is not None:
            await visitor.disconnect()
        return {}

    return [request_slot, offer, still, disconnect]


def _visitor(visitors: Visitors, request: Any) -> Visitor | None:
    return visitors.by_token(request.get("token")) if isinstance(request, dict) else None


def _settings(request: Mapping[str, Any]) -> dict[str, Any]:
    settings = request.get("settings")
    return settings if isinstance(settings, dict) else {}


def _composite_still(visitor: Visitor, request: Mapping[str, Any]) -> str | None:
    try:
        jpeg = base64.b64decode(str(request.get("jpeg")).partition(",")[2], validate=True)
    except binascii.Error as error:
        raise InputError("A frame of the camera does not decode: expected JPEG") from error
    composite = visitor.composite_still(jpeg, _settings(request))
    return "data:image/jpeg;base64," + base64.b64encode(composite).decode() if composite else None
