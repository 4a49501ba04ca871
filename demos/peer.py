"""One visitor's WebRTC connection: camera in, composites out, settings over a data channel; nothing queues."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
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
from streamseg.media.clock import LIVE_TIME_BASE
from streamseg.media.native import native_of, wrap

from .studio import Take

__all__ = ["CONNECT_S", "Peer"]

#: Seconds within which the media have to flow after an answer.
CONNECT_S = 15.0
_FIGURES_EVERY_S = 0.5
_GET_S = 0.25
_DEAD = ("failed", "closed")


class CompositeTrack(MediaStreamTrack):
    """The newest composites of a take; ``recv`` waits in a thread of its own.

    ``failed`` is called on the loop with what the take failed of.

    Attributes:
        age: seconds from arrival of the frame that was handed out last to its composite.
        sending: seconds that encoding and sending it took.
    """

    kind = "video"

    def __init__(self, take: Take, failed: Callable[[StreamsegError], None]) -> None:
        super().__init__()
        self._take, self._failed = take, failed
        self._waiter = ThreadPoolExecutor(1, "streamseg visitor")
        self._handed = 0.0
        self.age = self.sending = 0.0

    async def recv(self) -> av.VideoFrame:
        if self._handed:
            self.sending = perf_counter() - self._handed
        loop = asyncio.get_running_loop()
        while self.readyState == "live":
            try:
                shown = await loop.run_in_executor(self._waiter, self._take.get, _GET_S)
            except StreamsegError as error:
                self._failed(error)
                break
            if shown is not None:
                self.age, self._handed = self._take.clock.age(shown.frame), perf_counter()
                native = native_of(shown.frame)
                native.pts, native.time_base = shown.frame.pts, LIVE_TIME_BASE
                return native
        raise MediaStreamError

    def stop(self) -> None:
        super().stop()
        self._waiter.shutdown(wait=False)


class Peer:
    """Made and used on the server's event loop; nothing is computed there.

    Args:
        take: belongs to the peer from now on.
        change: called in a thread with what the page sent over the data channel; raises StreamsegError.
        closed: called once, on the loop, with the peer when all is closed.
    """

    def __init__(self, take: Take, change: Callable[[Any], None], closed: Callable[[Peer], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self._take, self._change, self._closed = take, change, closed
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._track = CompositeTrack(take, self._fail)
        self._channel: RTCDataChannel | None = None
        self._wanted: asyncio.Queue[Any] = asyncio.Queue(1)
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self._connection.on("track", self._on_track)
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("connectionstatechange", self._on_state)

    async def answer(self, sdp: str) -> str:
        """The answer to a browser's offer.

        Raises:
            ValueError: it is no offer.
        """
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        self._start(self._expect())
        self._start(self._obey())
        return str(self._connection.localDescription.sdp)

    def end(self) -> None:
        """Begin to close; safe to call at any time, again and again."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    def tell(self, sentence: str) -> None:
        """Show a sentence on the page; from any thread."""
        self.loop.call_soon_threadsafe(lambda: self._say(error=sentence))

    async def close(self) -> None:
        """Close the connection and the take."""
        self.end()
        assert self._closing is not None
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._track.stop()
        await self._connection.close()
        await asyncio.to_thread(self._take.close)
        self._closed(self)

    def _start(self, work: Any) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def _expect(self) -> None:
        """A browser that was answered and does not come leaves nothing behind."""
        await asyncio.sleep(CONNECT_S)
        if self._connection.connectionState != "connected":
            self.end()

    def _fail(self, error: StreamsegError) -> None:
        self._say(error=str(error))
        self.end()

    def _on_state(self) -> None:
        if self._connection.connectionState in _DEAD:
            self.end()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._connection.addTrack(self._track)
            self._start(self._drain(track))

    async def _drain(self, track: MediaStreamTrack) -> None:
        """Take every frame as it comes: a camera is never waited for."""
        clock = self._take.clock
        try:
            while True:
                native = await track.recv()
                assert isinstance(native, av.VideoFrame)
                self._take.line.put(wrap(native, clock.pts(), LIVE_TIME_BASE))
        except MediaStreamError:
            self.end()

    def _on_channel(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        channel.on("message", self._on_message)
        self._start(self._report())

    def _on_message(self, message: object) -> None:
        if message == "bye":
            self.end()
            return
        if self._wanted.full():  # settings that were not yet reached are passed over
            self._wanted.get_nowait()
        self._wanted.put_nowait(message)

    async def _obey(self) -> None:
        while True:
            message = await self._wanted.get()
            try:
                await asyncio.to_thread(self._change, json.loads(message))
                self._say(error="")
            except StreamsegError as error:
                self._say(error=str(error))
            except (TypeError, ValueError):
                self._say(error="The page sent settings that cannot be read: reload it")

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_FIGURES_EVERY_S)
            figures = self._take.line.figures
            self._say(
                arrived=figures.arrived_fps,
                network=figures.network_fps,
                every=figures.every,
                age=1000 * self._track.age,
                sending=1000 * self._track.sending,
            )

    def _say(self, **what: object) -> None:
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps(what))
