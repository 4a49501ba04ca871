"""The application: routes, errors, documentation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from streamseg import __version__
from streamseg.errors import StreamsegError

from .access import Access, answer
from .clips import add_clips
from .documentation import DESCRIPTION
from .jobs import FAILED
from .live import add_live
from .pictures import add_pictures
from .refusal import Refusal, refusal_of
from .service import Service

__all__ = ["create_app"]


def create_app(service: Service) -> FastAPI:
    """The ASGI application of a service; ``service.close`` is the caller's."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        deleting = asyncio.create_task(service.delete_expired())
        yield
        deleting.cancel()
        with suppress(asyncio.CancelledError):
            await deleting

    app = FastAPI(title="streamseg", version=__version__, description=DESCRIPTION, lifespan=lifespan, redoc_url=None)
    app.add_middleware(Access, settings=service.settings, metrics=service.metrics)
    if service.settings.allow_origins:
        origins = list(service.settings.allow_origins)
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])
    _add_errors(app)
    add_pictures(app, service)
    add_clips(app, service)
    add_live(app, service)
    _add_state(app, service)
    return app


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["state"], summary="Is the service ready?")
    async def get_health() -> dict[str, str]:
        """200 as soon as the network is open; 503 while the service is stopping."""
        if service.stopping.is_set():
            raise Refusal(503, "the service is stopping")
        return {"status": "ok", "version": __version__, "device": service.segmenter.device.name}

    @app.get("/metrics", tags=["state"], summary="Figures for Prometheus", response_class=Response)
    async def get_metrics() -> Response:
        text = await asyncio.to_thread(service.metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_errors(app: FastAPI) -> None:
    """Every error is JSON with one line: never a traceback."""

    @app.exception_handler(Refusal)
    async def on_refusal(request: Request, error: Refusal) -> Response:
        return answer(error)

    @app.exception_handler(StreamsegError)
    async def on_streamseg(request: Request, error: StreamsegError) -> Response:
        return answer(refusal_of(error))

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        refusal = Refusal(error.status_code, f"{request.method} {request.url.path[:100]}: {error.detail}; see /docs")
        refusal.headers.update(error.headers or {})
        return answer(refusal)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        first: dict[str, Any] = error.errors()[0]
        return answer(Refusal(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))

    @app.exception_handler(ClientDisconnect)
    async def on_disconnect(request: Request, error: ClientDisconnect) -> Response:
        return answer(Refusal(400, "the connection ended before the body did"))

    @app.exception_handler(Exception)
    async def on_failure(request: Request, error: Exception) -> Response:
        return answer(Refusal(500, FAILED))
