"""Before every request: does it bring the token, does it come from another web page? After it: figures."""

from __future__ import annotations

import ipaddress
import secrets
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from .metrics import Metrics
from .refusal import Refusal
from .settings import ServiceSettings

__all__ = ["Access", "answer"]

# Without a token: whether the service is there, and how it is used.
_OPEN = ("/healthz", "/docs", "/openapi.json")


def answer(refusal: Refusal) -> JSONResponse:
    """A refusal as JSON: {"error": one line}."""
    return JSONResponse({"error": refusal.message}, refusal.status, refusal.headers)


class Access:
    """ASGI middleware around the application, for requests and WebSockets."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started, status = monotonic(), 101 if scope["type"] == "websocket" else 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"].endswith("response.start"):
                status = message["status"]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await _refuse(refusal, scope, receive, watch)
            else:
                await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, scope.get("method", "WEBSOCKET"), status).inc()
            if scope["type"] == "http":
                self._metrics.seconds.labels(route).observe(monotonic() - started)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and not self._is_allowed(origin, headers.get("host", "")):
            return Refusal(403, f"a web page of {origin[:100]}: the service permits it with --allow-origin")
        if self._settings.token is None or scope["path"] in _OPEN:
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip().encode("utf-8", "replace")
        if scheme.lower() == "bearer" and secrets.compare_digest(given, self._settings.token.encode()):
            return None
        refusal = Refusal(401, "no token, or a wrong one: expected the header Authorization: Bearer TOKEN")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    def _is_allowed(self, origin: str, host: str) -> bool:
        """Browsers send the origin of the page that makes a request: others' pages must not use a local service.

        A page whose name was made to lead to this machine has the same name in both: without a token, on this machine,
        only the machine's own names count.
        """
        allowed = self._settings.allow_origins
        if "*" in allowed or origin in allowed:
            return True
        if urlsplit(origin).netloc != host or not host:
            return False
        return not self._settings.is_local or self._settings.token is not None or _is_loopback(origin)


def _is_loopback(origin: str) -> bool:
    name = urlsplit(origin).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(answer(refusal))
    else:
        response: Any = answer(refusal)
        await response(scope, receive, send)
