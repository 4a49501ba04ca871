"""Open pages, and what is kept of each: nothing after it is closed."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Lock
from typing import Any

from streamseg.pipelines import VideoJob

from streamseg.errors import InputError, OptionError
from streamseg.runtime.memory import trim

from .admission import Admission
from .choices import Choices
from .live.peer import UNREADABLE_SETTINGS, PeerConnection
from .live.session import LiveSession, SharedDevice
from .live.still_fallback import StillFallback
from .uploads import store_background

__all__ = ["SESSION_ENDED", "Visitor", "Visitors"]

#: Shown on a page that the server knows as closed.
SESSION_ENDED = "The session has ended: reload the page"
# A process that exits while another thread is in a network is aborted; a stopped clip ends within a second or two.
_CLIP_ENDS_S = 20.0
# Number of closed pages to remember: requests that a page sent before it was closed arrive within seconds.
_MAX_CLOSED = 1000


class Visitor:
    """One open page.

    Attributes:
        token: a secret that the page sends with each request of its live view.
        folder: for the visitor's files; deleted when the page is closed.
        uploaded: the visitor's own background, if there is one.
        job: the visitor's clip while it is processed.
        idle: set while no clip is processed.
        peer, still: the connection of the live view: WebRTC, or single images.
        closed: set when the page was closed.
    """

    def __init__(self, root: Path, device: SharedDevice, admission: Admission) -> None:
        self.token = secrets.token_urlsafe(24)
        self.folder = root / self.token
        self.uploaded: Path | None = None
        self.job: VideoJob | None = None
        self.idle = Event()
        self.idle.set()
        self.peer: PeerConnection | None = None
        self.still: StillFallback | None = None
        self.closed = False
        self._device, self._admission = device, admission
        self._uploads: list[Path] = []
        self._connect_lock, self._still_lock = asyncio.Lock(), Lock()
        self.folder.mkdir()

    @property
    def live_id(self) -> str:
        """The visitor's name in the admission to the live view."""
        return f"{self.token} live"

    @property
    def clip_id(self) -> str:
        """The visitor's name in the admission to the processing of clips."""
        return f"{self.token} clip"

    def register_upload(self, upload: str) -> None:
        """Delete a file of the page's own upload folder, too, when the page is closed."""
        self._uploads.append(Path(upload))

    def set_background(self, upload: str) -> None:
        """Make an uploaded file the visitor's own background. Raises InputError."""
        self.register_upload(upload)
        folder = self.folder / secrets.token_hex(4)  # a new one: the background before may still be in use
        folder.mkdir()
        self.uploaded = store_background(upload, folder)

    async def connect(self, sdp: str, values: Mapping[str, Any]) -> str:
        """The SDP answer to a browser's WebRTC offer; the visitor has been admitted.

        Raises:
            StreamsegError: the choices cannot be used.
            ValueError: ``sdp`` is no offer.
        """
        async with self._connect_lock:
            await self._end_live()
            session = await asyncio.to_thread(self._open_session, values)
            self._admission.hold(self.live_id)
            self.peer = PeerConnection(session, lambda message: self._apply(session, message), self._on_closed)
            return await self.peer.answer(sdp)

    def composite_still(self, jpeg: bytes, values: Mapping[str, Any]) -> bytes | None:
        """The composite of one frame of the camera, both JPEG; see StillFallback.composite."""
        with self._still_lock:
            if self.closed:
                return None
            if self.still is None:
                self.still = StillFallback(self._open_session(values))
            return self.still.composite(jpeg, values, self.uploaded)

    async def disconnect(self) -> None:
        """End the live view, if it runs, and release its slot."""
        try:
            async with self._connect_lock:
                await self._end_live()
        finally:
            self._admission.release(self.live_id)

    def clean_up(self) -> None:
        """Stop the clip and delete all files; a clip in work calls this again when it has ended."""
        self.closed = True
        if self.job is not None:
            self.job.stop()
        self._admission.release(self.clip_id)
        shutil.rmtree(self.folder, ignore_errors=True)
        for upload in self._uploads:
            shutil.rmtree(upload.parent, ignore_errors=True)

    def _open_session(self, values: Mapping[str, Any]) -> LiveSession:
        return LiveSession(self._device, Choices.parse(values), self.uploaded, self._report)

    def _report(self, message: str) -> None:
        if self.peer is not None:
            self.peer.report(message)

    def _apply(self, session: LiveSession, message: Any) -> None:
        if not isinstance(message, dict):
            raise OptionError(UNREADABLE_SETTINGS)
        session.change(Choices.parse(message), self.uploaded)

    def _on_closed(self, peer: PeerConnection) -> None:
        if self.peer is peer:
            self.peer = None
            self._admission.release(self.live_id)

    async def _end_live(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            await peer.close()
        await asyncio.to_thread(self._end_still)

    def _end_still(self) -> None:
        with self._still_lock:
            if self.still is not None:
                self.still.close()
            self.still = None


class Visitors:
    """All open pages; may be used from any thread.

    Args:
        root: a folder for the visitors' files.
        device: for the live sessions.
        admission: to the live view and to the processing of clips.
    """

    def __init__(self, root: Path, device: SharedDevice, admission: Admission) -> None:
        self.admission = admission
        self._root, self._device = root, device
        self._lock = Lock()
        self._by_session: dict[str, Visitor] = {}
        self._closed: deque[str] = deque(maxlen=_MAX_CLOSED)

    def for_session(self, session: str) -> Visitor:
        """The visitor of a page, created if there is none.

        Args:
            session: Gradio's hash of the page's session.

        Raises:
            InputError: the page was closed. A page that is closed while it loads may send its first request after the
                end; a visitor created then would never be removed.
        """
        with self._lock:
            if session in self._closed:
                raise InputError(SESSION_ENDED)
            if session not in self._by_session:
                self._by_session[session] = Visitor(self._root, self._device, self.admission)
            return self._by_session[session]

    def by_token(self, token: object) -> Visitor | None:
        """The visitor with this token."""
        with self._lock:
            return next((visitor for visitor in self._by_session.values() if visitor.token == token), None)

    async def close(self, session: str) -> None:
        """Remove all of a page that was closed. On the event loop of the visitor's connection."""
        with self._lock:
            self._closed.append(session)
            visitor = self._by_session.pop(session, None)
        if visitor is not None:
            visitor.closed = True
            try:
                await visitor.disconnect()
                await asyncio.to_thread(trim)
            finally:
                await asyncio.to_thread(visitor.clean_up)

    def stop(self) -> None:
        """The server shuts down: stop all clips, and wait until they have ended."""
        with self._lock:
            visitors = list(self._by_session.values())
        for visitor in visitors:
            visitor.clean_up()
        for visitor in visitors:
            visitor.idle.wait(_CLIP_ENDS_S)
