"""The sound of the webcam: from a microphone to the recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Event, Lock

from streamseg.errors import InputError, StreamsegError
from streamseg.media.live.clock import LiveClock
from streamseg.media.live.microphone import Microphone, Sound
from streamseg.runtime import Pump

__all__ = ["LiveSound"]

_TICK_S = 0.05
# Blocks that are kept for a recording that is about to begin: its first frame was captured a little before.
_EARLY_BLOCKS = 2000


class LiveSound:
    """Hears a microphone in a thread of its own, from construction until ``close``.

    Args:
        source: see Microphone.
        clock: gives the time stamps.
        report: called with one sentence when something happens that a user should know.
    """

    def __init__(self, source: str, clock: LiveClock, report: Callable[[str], None]) -> None:
        self._hear: Callable[[Sound], None] | None = None
        self._early: deque[Sound] = deque(maxlen=_EARLY_BLOCKS)
        self._lock = Lock()
        self._clock, self._report = clock, report
        self._microphone = Microphone(source, clock, report)
        self._there = Event()
        self._failure: BaseException | None = None
        self._pump = Pump(self._microphone, self._put, self._end, "sound")

    def _put(self, sound: Sound) -> None:
        with self._lock:
            if self._hear is None:
                self._early.append(sound)
            else:
                self._hear(sound)
        self._there.set()

    def send_to(self, hear: Callable[[Sound], None]) -> None:
        """Call ``hear`` with the newest blocks, and from now on with each; if it fails, no more are heard."""
        with self._lock:
            while self._early:
                hear(self._early.popleft())
            self._hear = hear

    def _end(self, failure: BaseException | None) -> None:
        waited_for = not self._there.is_set()
        self._failure = failure
        self._there.set()
        if failure is not None and not waited_for:
            what = str(failure) if isinstance(failure, StreamsegError) else repr(failure)
            self._report(f"the recording goes on without sound: {what}")

    def wait(self, seconds: float, stopped: Callable[[], bool]) -> None:
        """Wait for the first block, or until ``stopped``. Raises InputError if there is none in time."""
        limit = self._clock.now() + seconds
        while not self._there.wait(_TICK_S) and not stopped():
            if self._clock.now() > limit:
                raise InputError(f"audio {self._microphone.source}: no sound within {seconds:.0f} s")
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Hear no more."""
        self._microphone.close()
