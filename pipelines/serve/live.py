"""The WebSocket /v1/live: frames in, mattes out, the newest first."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Lock, Semaphore, Thread
from typing import Any

import av
import numpy as np
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from streamseg.errors import InputError, StreamsegError
from streamseg.frame import Matte
from streamseg.media.images import encode_image
from streamseg.media.live.clock import LiveClock
from streamseg.media.live.stills import decode_still
from streamseg.runtime import Mailbox
from streamseg.runtime.queue import End

from ..live import LivePipeline, LiveSettings
from .access import answer
from .inputs.options import LiveOptions
from .refusal import Refusal, refusal_of
from .service import Service

__all__ = ["MAX_FRAME_BYTES", "add_live"]

#: Of a frame, in bytes.
MAX_FRAME_BYTES = 4_000_000
_MAX_FRAME_PIXELS = 3840 * 2160
# A connection that sends nothing keeps its place for so long; one that does not read, its threads.
_IDLE_S, _SEND_S = 60.0, 30.0
# Frames between the client's and its mattes: with two the stages of the pipeline work side by side.
_IN_FLIGHT = 2
_RESTARTING, _POLICY, _UNSUPPORTED, _FAILED = 1012, 1008, 1003, 1011


def add_live(app: FastAPI, service: Service) -> None:
    """Add the route."""

    @app.websocket("/v1/live")
    async def live(websocket: WebSocket) -> None:
        try:
            options = LiveOptions.parse(dict(websocket.query_params))
            with service.connection():
                await websocket.accept()
                await _serve(service, websocket, options)
        except (Refusal, StreamsegError) as error:
            refusal = error if isinstance(error, Refusal) else refusal_of(error)
            await websocket.send_denial_response(answer(refusal))


async def _serve(service: Service, websocket: WebSocket, options: LiveOptions) -> None:
    session = await asyncio.to_thread(_Session, service, websocket, options, asyncio.get_running_loop())
    code: int | None = _FAILED
    try:
        code = await _receive(service, websocket, session)
    finally:
        if code is not None:
            await _closed(websocket, code)
        await asyncio.to_thread(session.close)


async def _receive(service: Service, websocket: WebSocket, session: _Session) -> int | None:
    """Pass the frames on; gives the code to close with, or None if the client has closed."""
    stopping = asyncio.ensure_future(service.stopping.wait())
    try:
        while True:
            receiving = asyncio.ensure_future(websocket.receive())
            waited: set[asyncio.Future[Any]] = {receiving, stopping, session.failed}
            done, _ = await asyncio.wait(waited, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED)
            if receiving not in done:
                receiving.cancel()
                return _RESTARTING if stopping in done else _FAILED if session.failed in done else _POLICY
            message = receiving.result()
            if message["type"] == "websocket.disconnect":
                return None
            if message.get("bytes") is None:
                return _UNSUPPORTED
            session.put(message["bytes"])
    finally:
        stopping.cancel()


async def _closed(websocket: WebSocket, code: int) -> None:
    with suppress(RuntimeError, OSError):  # the client was faster
        await websocket.close(code)


class _Session:
    """The pipeline of one connection, between two threads: one decodes, one encodes and sends."""

    def __init__(
        self, service: Service, websocket: WebSocket, options: LiveOptions, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._service, self._websocket, self._loop, self._format = service, websocket, loop, options.format
        self._clock = LiveClock()
        settings = LiveSettings("matte", options.steady, speed=options.speed, light=True)
        self._pipeline = LivePipeline(service.segmenter.device.another(), settings, self._clock)
        self.failed: asyncio.Future[None] = loop.create_future()
        self._inbox: Mailbox[tuple[int, bytes]] = Mailbox()
        self._number = self._dropped = 0
        self._closed = False
        self._free, self._lock = Semaphore(_IN_FLIGHT), Lock()
        self._in_flight: deque[tuple[int, int]] = deque()  # time stamps and numbers
        self._threads = [Thread(target=work, name="live") for work in (self._decode, self._answer)]
        for thread in self._threads:
            thread.start()

    def put(self, image: bytes) -> None:
        """Take the newest frame; one that waits still is dropped."""
        self._inbox.put((self._number, image))
        self._number += 1
        dropped, self._dropped = self._inbox.dropped - self._dropped, self._inbox.dropped
        self._service.metrics.dropped.inc(dropped)

    def close(self) -> None:
        """End, and wait for the threads."""
        self._closed = True
        self._inbox.end()
        self._free.release()
        self._pipeline.close()
        for thread in self._threads:
            thread.join()

    def _decode(self) -> None:
        last = -1
        while True:
            self._free.acquire()
            item = self._inbox.get()
            if self._closed or isinstance(item, End):  # closed: what waited still has nobody to wait for its answer
                return
            number, image = item
            try:
                last = max(last + 1, self._clock.pts())
                frame = decode_still(image, last, _MAX_FRAME_PIXELS, MAX_FRAME_BYTES)
            except InputError as error:
                self._free.release()
                self._send(self._websocket.send_text(json.dumps({"frame": number, "error": str(error)})))
                continue
            with self._lock:
                self._in_flight.append((last, number))
            self._pipeline.put(frame)

    def _answer(self) -> None:
        try:
            while (composite := self._pipeline.get()) is not None:
                number = self._number_of(composite.frame.pts)
                matte = _encoded(composite.matte, self._format)
                self._service.metrics.frames.labels("live").inc()
                if not self._send(self._websocket.send_bytes(number.to_bytes(4, "big") + matte)):
                    break
        except StreamsegError:
            pass
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._fail)

    def _number_of(self, pts: int) -> int:
        """The frame with this time stamp; those before it were dropped, and free their places too."""
        number = 0
        with self._lock:
            while self._in_flight and self._in_flight[0][0] <= pts:
                number = self._in_flight.popleft()[1]
                self._free.release()
        return number

    def _send(self, message: Coroutine[Any, Any, None]) -> bool:
        """Send from a thread; False if the connection is closed, or the client does not read."""
        try:
            asyncio.run_coroutine_threadsafe(message, self._loop).result(_SEND_S)
        except (RuntimeError, OSError, TimeoutError, CancelledError, WebSocketDisconnect):
            return False
        return True

    def _fail(self) -> None:
        if not self.failed.done():
            self.failed.set_result(None)


def _encoded(matte: Matte, kind: str) -> bytes:
    grey = av.VideoFrame.from_ndarray(np.ascontiguousarray(matte.alpha), format="gray")
    if kind == "png":
        return encode_image(grey, ".png", {"compression_level": "1"})
    return encode_image(grey.reformat(format="yuvj420p", src_color_range=2, dst_color_range=2), ".jpg", {"qscale": "3"})
