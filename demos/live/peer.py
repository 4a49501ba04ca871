"""A visitor's WebRTC connection: camera in, composites out, settings over a data channel; nothing is queued."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from streamseg.errors import StreamsegError
from streamseg.media.live.clock import LIVE_TIME_BASE, SenderClock
from streamseg.media.pixels.native import native_of, wrap

from .aiortc_settings import with_start_bitrate
from .session import LiveSession

__all__ = ["CONNECT_TIMEOUT_S", "UNREADABLE_SETTINGS", "PeerConnection"]

#: Seconds after an answer within which the connection has to be there.
CONNECT_TIMEOUT_S = 15.0
#: Shown on a page whose settings are no JSON object.
UNREADABLE_SETTINGS = "The page sent settings that cannot be read: reload it"
_FIGURES_INTERVAL_S = 0.5
_GET_TIMEOUT_S = 0.25
_ENDED_STATES = ("failed", "closed")


class CompositeTrack(MediaStreamTrack):
    """The newest composites of a session; ``recv`` waits in a thread of its own.

    Args:
        session: gives the composites.
        on_failure: called on the event loop with the error that ended the session's pipeline.

    Attributes:
        age: of the composite that was sent last: seconds from the arrival of its frame.
        sending: seconds that encoding and sending it took.
    """

    kind = "video"

    def __init__(self, session: LiveSession, on_failure: Callable[[StreamsegError], None]) -> None:
        super().__init__()
        self._session, self._on_failure = session, on_failure
        self._executor = ThreadPoolExecutor(1, "streamseg visitor")
        self._sent_at = 0.0
        self.age = self.sending = 0.0

    async def recv(self) -> av.VideoFrame:
        if self._sent_at:
            self.sending = perf_counter() - self._sent_at
        loop = asyncio.get_running_loop()
        while self.readyState == "live":
            try:
                composite = await loop.run_in_executor(self._executor, self._session.get, _GET_TIMEOUT_S)
            except StreamsegError as error:
                self._on_failure(error)
                break
            if composite is not None:
                frame = composite.frame
                self.age, self._sent_at = self._session.clock.age(frame), perf_counter()
                native = native_of(frame)
                native.pts, native.time_base = frame.pts, LIVE_TIME_BASE
                return native
        raise MediaStreamError

    def stop(self) -> None:
        super().stop()
        self._executor.shutdown(wait=False)


class PeerConnection:
    """Created and used on the server's event loop, which does no computation.

    Args:
        session: closed with the connection.
        apply_settings: called in a thread with what the page sent over the data channel; raises StreamsegError.
        on_closed: called once, on the loop, with the connection when everything is closed.
    """

    def __init__(
        self,
        session: LiveSession,
        apply_settings: Callable[[Any], None],
        on_closed: Callable[[PeerConnection], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._session, self._apply_settings, self._on_closed = session, apply_settings, on_closed
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track = CompositeTrack(session, self._fail)
        self._channel: RTCDataChannel | None = None
        self._messages: asyncio.Queue[Any] = asyncio.Queue(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._connection.on("track", self._on_track)
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("connectionstatechange", self._on_state)

    async def answer(self, sdp: str) -> str:
        """The SDP answer to a browser's offer.

        Raises:
            ValueError: ``sdp`` is no offer.
        """
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        self._start_task(self._close_unless_connected())
        self._start_task(self._apply_messages())
        return with_start_bitrate(str(self._connection.localDescription.sdp))

    def report(self, message: str) -> None:
        """Show a message on the page; from any thread."""
        self._loop.call_soon_threadsafe(lambda: self._send(error=message))

    async def close(self) -> None:
        """Close the connection and the session."""
        self._start_closing()
        assert self._closing is not None
        await asyncio.shield(self._closing)

    def _start_closing(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._track.stop()
        await self._connection.close()
        await asyncio.to_thread(self._session.close)
        self._on_closed(self)

    def _start_task(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.ensure_future(coroutine))

    async def _close_unless_connected(self) -> None:
        """Free everything of a browser that got its answer and does not connect."""
        await asyncio.sleep(CONNECT_TIMEOUT_S)
        if self._connection.connectionState != "connected":
            self._start_closing()

    def _fail(self, error: StreamsegError) -> None:
        self._send(error=str(error))
        self._start_closing()

    def _on_state(self) -> None:
        if self._connection.connectionState in _ENDED_STATES:
            self._start_closing()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._connection.addTrack(self._track)
            self._start_task(self._receive(track))

    async def _receive(self, track: MediaStreamTrack) -> None:
        """Pass on every frame as it arrives; the pipeline drops what it has no time for."""
        clock = SenderClock(self._session.clock)
        try:
            while True:
                native = await track.recv()
                assert isinstance(native, av.VideoFrame)
                self._session.pipeline.put(wrap(native, clock.pts(native.time), LIVE_TIME_BASE))
        except MediaStreamError:
            self._start_closing()

    def _on_channel(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        channel.on("message", self._on_message)
        self._start_task(self._send_figures())

    def _on_message(self, message: object) -> None:
        if message == "close":
            self._start_closing()
            return
        if self._messages.full():  # only the newest settings count
            self._messages.get_nowait()
        self._messages.put_nowait(message)

    async def _apply_messages(self) -> None:
        while True:
            message = await self._messages.get()
            try:
                await asyncio.to_thread(self._apply_settings, json.loads(message))
                self._send(error="")
            except StreamsegError as error:
                self._send(error=str(error))
            except (TypeError, ValueError):
                self._send(error=UNREADABLE_SETTINGS)

    async def _send_figures(self) -> None:
        while True:
            await asyncio.sleep(_FIGURES_INTERVAL_S)
            figures = self._session.pipeline.figures
            self._send(
                arrived_fps=figures.arrived_fps,
                network_fps=figures.network_fps,
                every=figures.every,
                age_ms=1000 * self._track.age,
                sending_ms=1000 * self._track.sending,
            )

    def _send(self, **values: object) -> None:
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps(values))
