"""/v1/clips: a clip becomes a job, with progress and a result."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.types import Receive, Scope, Send

from streamseg.errors import StreamsegError

from .access import answer
from .documentation import CLIP_BODY, ERRORS, JOB
from .inputs.checks import check_background, check_clip
from .inputs.fetching import Fetch
from .inputs.options import CLIP_TYPES, ClipOptions
from .inputs.receiving import Received, receive
from .jobs import Job, State
from .refusal import Refusal, refusal_of
from .service import Service

__all__ = ["add_clips"]

_PING_S = 15.0


class JobStatus(BaseModel):
    """A job: `state` is queued, running, done, failed or cancelled; `position`: jobs before it; `result`: its path."""

    model_config = ConfigDict(json_schema_extra={"example": JOB})

    id: str
    state: str
    position: int
    frames: int
    expected_frames: int | None
    fps: float
    warnings: list[str]
    error: str | None
    result: str | None


class _Result(FileResponse):
    """The file of a job; one that was deleted meanwhile is answered like any that is not there."""

    def __init__(self, job: Job, service: Service) -> None:
        super().__init__(job.result, media_type=CLIP_TYPES[job.options.format], filename=job.result.name)
        self._job, self._service = job, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except RuntimeError:
            if self._job.result.exists():
                raise
            await answer(_deleted(self._service))(scope, receive, send)
        self._job.fetched = True
        self._service.notify()


def add_clips(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.post(
        "/v1/clips",
        tags=["clips"],
        summary="A clip, or its address, becomes a job",
        status_code=202,
        response_model=JobStatus,
        responses=ERRORS,
        openapi_extra=CLIP_BODY,
    )
    async def post_clip(
        request: Request,
        bg: Annotated[str, Query(description="blur, blur:STRENGTH, a colour, matte, transparent")] = "blur",
        format: Annotated[str, Query(description="mp4, webm, mov, mkv; default: mp4, for transparent webm")] = "mp4",
        speed: Annotated[str, Query(description="best, balanced, fast")] = "best",
    ) -> Response:
        """The options may be in the query, in fields of the form or in JSON. Sound is kept."""
        with service.clip():
            job = await _receive_job(service, request)
            service.jobs.submit(job)
        links = {"Location": f"/v1/clips/{job.id}"}
        return JSONResponse(_status(service, job), 202, links)

    @app.get("/v1/clips/{job_id}", tags=["clips"], summary="State and progress", responses=ERRORS)
    async def get_clip(job_id: str) -> JobStatus:
        return JobStatus(**_status(service, _find(service, job_id)))

    @app.get(
        "/v1/clips/{job_id}/events",
        tags=["clips"],
        summary="Progress as server-sent events",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {"example": f"event: progress\ndata: {json.dumps(JOB)}\n\n"}}}
        },
    )
    async def get_events(job_id: str) -> StreamingResponse:
        """Events `progress`, and at the end one of `done`, `failed` and `cancelled`; each has the job as its data."""
        events = _events(service, _find(service, job_id))
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    @app.get(
        "/v1/clips/{job_id}/result",
        tags=["clips"],
        summary="The finished clip, also in ranges",
        response_class=FileResponse,
        responses={409: {"description": "It is not finished, or has failed."}},
    )
    async def get_result(job_id: str) -> FileResponse:
        job = _find(service, job_id)
        if job.state is not State.DONE:
            why = job.figures["error"] or "wait for the state done"
            raise Refusal(409, f"the clip is {job.state}: {why}")
        return _Result(job, service)

    @app.delete("/v1/clips/{job_id}", tags=["clips"], summary="Cancel, and delete all files", status_code=204)
    async def delete_clip(job_id: str) -> Response:
        await asyncio.to_thread(service.jobs.delete, _find(service, job_id))
        return Response(status_code=204)


def _find(service: Service, job_id: str) -> Job:
    job = service.jobs.get(job_id)
    if job is None:
        raise _deleted(service)
    return job


def _deleted(service: Service) -> Refusal:
    return Refusal(404, f"no such clip: it was deleted, or {service.settings.keep_minutes:g} minutes are over")


async def _receive_job(service: Service, request: Request) -> Job:
    folder, settings = service.new_folder(), service.settings
    try:
        received = await receive(request, folder, settings.max_bytes, ("clip", "background"))
        url = received.options.pop("url", None)
        if (url is None) == ("clip" not in received.files):
            raise Refusal(
                400, 'expected a clip, as the body or in the field clip of a form, or JSON {"url": "https://…"}'
            )
        return await asyncio.to_thread(_checked, service, folder, received, url)
    except BaseException as error:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if isinstance(error, StreamsegError):
            raise refusal_of(error, folder) from error
        raise


def _checked(service: Service, folder: Path, received: Received, url: str | None) -> Job:
    """A job for what was received. Raises StreamsegError if it cannot be used."""
    settings = service.settings
    has_background = "background" in received.files
    options = ClipOptions.parse(received.options, has_background)
    fetch = None if url is None else Fetch.public(url, settings.max_bytes, settings.allow_private_urls)
    if fetch is None:
        check_clip(received.files["clip"], settings.max_pixels, settings.max_seconds)
    if has_background:
        check_background(received.files["background"], settings.max_pixels)
    return Job(folder, options, fetch)


def _status(service: Service, job: Job) -> dict[str, Any]:
    result = f"/v1/clips/{job.id}/result" if job.state is State.DONE else None
    position = service.jobs.position(job)
    return {"id": job.id, "state": str(job.state), "position": position, **job.figures, "result": result}


async def _events(service: Service, job: Job) -> AsyncIterator[str]:
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def listener() -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(changed.set)

    end = job.listen(listener)
    try:
        while True:
            changed.clear()
            status = _status(service, job)
            state = State(status["state"])
            yield f"event: {state if state.is_final else 'progress'}\ndata: {json.dumps(status)}\n\n"
            if state.is_final:
                return
            while not await _within(changed, _PING_S):
                yield ": the clip is still in work\n\n"
    finally:
        end()


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
