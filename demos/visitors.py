"""Who is here, and what of theirs is kept: until they go, and no longer."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from streamseg.pipelines import VideoJob

from streamseg.errors import InputError, OptionError

from .choices import Choices
from .memory import give_back
from .peer import Peer
from .places import Places
from .still import StillLine
from .studio import Studio, Take
from .uploads import take_background

__all__ = ["ENDED", "Visitor", "Visitors"]

#: Said to a page that was taken for closed.
ENDED = "The session has ended: reload the page"
#: So many closed pages are remembered; what a page asked for just before comes within seconds of its end.
_REMEMBERED = 1000


class Visitor:
    """One open page.

    Attributes:
        token: what the page shows to be taken for this visitor; a secret.
        folder: for what is theirs; gone when they are.
        uploaded: their own background, once there is one.
        job: their clip in work.
        peer, still: their live pictures, over WebRTC or as single pictures.
        gone: set when the page was closed.
    """

    def __init__(self, root: Path, studio: Studio, places: Places) -> None:
        self.token = secrets.token_urlsafe(24)
        self.folder = root / self.token
        self.uploaded: Path | None = None
        self.job: VideoJob | None = None
        self.peer: Peer | None = None
        self.still: StillLine | None = None
        self.gone = False
        self._studio, self._places = studio, places
        self._cached: list[Path] = []
        self._connecting, self._drawing = asyncio.Lock(), Lock()
        self.folder.mkdir()

    def take(self, values: Mapping[str, Any]) -> Take:
        """Live pictures for what is chosen on the page. Takes time. Raises StreamsegError."""
        return Take(self._studio, Choices.read(values), self.uploaded, self._tell)

    def _tell(self, sentence: str) -> None:
        if self.peer is not None:
            self.peer.tell(sentence)

    def keep(self, upload: str) -> None:
        """Remember a file of the page's own upload folder, to delete it with the rest."""
        self._cached.append(Path(upload))

    def take_background(self, upload: str) -> None:
        """Make an upload their own background; raises InputError."""
        self.keep(upload)
        folder = self.folder / secrets.token_hex(4)  # the one before may still be shown
        folder.mkdir()
        self.uploaded = take_background(upload, folder)

    async def connect(self, sdp: str, values: Mapping[str, Any]) -> str:
        """Answer a browser's WebRTC offer; raises StreamsegError, ValueError. They have a place already."""
        async with self._connecting:
            await self._end_live()
            take = await asyncio.to_thread(self.take, values)
            self._places.hold(self.live)
            self.peer = Peer(take, lambda message: self._change(take, message), self._closed)
            return await self.peer.answer(sdp)

    def _change(self, take: Take, message: Any) -> None:
        if not isinstance(message, dict):
            raise OptionError("The page sent settings that cannot be read: reload it")
        take.change(Choices.read(message), self.uploaded)

    def _closed(self, peer: Peer) -> None:
        if self.peer is peer:
            self.peer = None
            self._places.leave(self.live)

    def draw(self, jpeg: bytes, values: Mapping[str, Any]) -> bytes | None:
        """The composite for one picture of the camera, both JPEG; see StillLine.step."""
        with self._drawing:
            if self.gone:
                return None
            if self.still is None:
                self.still = StillLine(self.take(values))
            return self.still.step(jpeg, values, self.uploaded)

    async def disconnect(self) -> None:
        """End the live pictures, if there are any, and give the place to the next."""
        try:
            async with self._connecting:
                await self._end_live()
        finally:
            self._places.leave(self.live)

    async def _end_live(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            await peer.close()
        await asyncio.to_thread(self._end_still)

    def _end_still(self) -> None:
        with self._drawing:
            if self.still is not None:
                self.still.close()
            self.still = None

    @property
    def live(self) -> str:
        """Their name where places are given for live pictures."""
        return f"{self.token} live"

    @property
    def clip(self) -> str:
        """Their name where places are given for clips."""
        return f"{self.token} clip"

    def forget(self) -> None:
        """End what runs and delete what is theirs; a clip in work deletes the rest when it has ended."""
        self.gone = True
        if self.job is not None:
            self.job.stop()
        self._places.leave(self.clip)
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in self._cached:
            shutil.rmtree(path.parent, ignore_errors=True)


class Visitors:
    """All open pages; may be used from any thread.

    Args:
        root: a folder for what is theirs.
        studio: where live pictures are made.
        places: how many may use it.
    """

    def __init__(self, root: Path, studio: Studio, places: Places) -> None:
        self.places = places
        self._root, self._studio = root, studio
        self._lock = Lock()
        self._by_session: dict[str, Visitor] = {}
        self._left: deque[str] = deque(maxlen=_REMEMBERED)

    def of(self, session: str) -> Visitor:
        """The visitor of a page's session, new where there was none.

        Raises InputError for a page that has left: of a page that is closed while it loads, the server may hear
        the end first, and nobody would tell it a second time.
        """
        with self._lock:
            if session in self._left:
                raise InputError(ENDED)
            if session not in self._by_session:
                self._by_session[session] = Visitor(self._root, self._studio, self.places)
            return self._by_session[session]

    def by_token(self, token: object) -> Visitor | None:
        """The visitor who shows this token."""
        with self._lock:
            return next((v for v in self._by_session.values() if v.token == token), None)

    async def leave(self, session: str) -> None:
        """The page was closed: nothing stays. On the loop that the visitor's peer belongs to."""
        with self._lock:
            self._left.append(session)
            visitor = self._by_session.pop(session, None)
        if visitor is not None:
            visitor.gone = True
            try:
                await visitor.disconnect()
                await asyncio.to_thread(give_back)
            finally:
                await asyncio.to_thread(visitor.forget)

    def stop(self) -> None:
        """The server ends: clips in work end with what they have."""
        with self._lock:
            for visitor in self._by_session.values():
                visitor.forget()
