"""What all requests share: the network, the jobs, the figures."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from ..segmenter import Segmenter
from ..video import frames_in_flight
from .clip_work import process_clip
from .jobs import Job, JobQueue, QueueFull, State
from .metrics import Metrics
from .refusal import Refusal
from .settings import ServiceSettings

__all__ = ["Service"]

#: Seconds after which a client may ask again.
RETRY_AFTER_S = 5
_STOPPING = "the service is stopping: try again in a moment"


class Service:
    """The state of a running service.

    Args:
        settings: limits.
        folder: for uploads and results.
        clock: monotonic time in seconds, by which results are deleted.
        segmenter: with both variants of the network; None opens one, by the settings.

    Attributes:
        segmenter: for pictures; its device for clips and live frames: they share one network, first come, first served.
        jobs: the clips.
        pool: threads for pictures.
        stopping: an event: no new work is taken.

    Raises:
        StreamsegError: the network cannot be opened.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        folder: Path,
        clock: Callable[[], float] = monotonic,
        segmenter: Segmenter | None = None,
    ) -> None:
        self.settings, self.folder = settings, folder
        in_flight = frames_in_flight(settings.network.get("threads"), 1)
        self.segmenter = segmenter or Segmenter(**settings.network, in_flight=in_flight, variants="both")
        self._clock = clock
        self.jobs = JobQueue(
            self._work, settings.workers, settings.queue, 60 * settings.keep_minutes, clock, self._job_ended
        )
        self.metrics = Metrics(self.jobs.counts)
        self.pool = ThreadPoolExecutor(settings.pictures_at_a_time, "picture")
        self._pictures = self._connections = 0
        self._changed, self.stopping = asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped_at = 0.0

    def start(self) -> None:
        """Say which event loop it is in."""
        self._loop = asyncio.get_running_loop()

    @contextmanager
    def picture(self) -> Iterator[None]:
        """A place for a picture. Raises Refusal if there is none."""
        self._refuse_when_stopping()
        most = self.settings.pictures_at_a_time + self.settings.queue
        if self._pictures >= most:
            raise Refusal(429, f"{most} pictures are in work or wait: try again later", RETRY_AFTER_S)
        self._pictures += 1
        self.metrics.pictures.inc()
        try:
            yield
        finally:
            self._pictures -= 1
            self.metrics.pictures.dec()
            self._changed.set()

    @contextmanager
    def clip(self) -> Iterator[None]:
        """A place for a clip; it is given back if no job was submitted. Raises Refusal if there is none."""
        self._refuse_when_stopping()
        try:
            self.jobs.reserve()
        except QueueFull:
            waiting = f"{self.settings.queue} clips wait already: try again later"
            raise Refusal(429, waiting, RETRY_AFTER_S) from None
        try:
            yield
        except BaseException:
            self.jobs.give_up()
            raise

    @contextmanager
    def connection(self) -> Iterator[None]:
        """A place for live frames. Raises Refusal if there is none."""
        self._refuse_when_stopping()
        most = self.settings.live_connections
        if self._connections >= most:
            raise Refusal(429, f"{most} WebSockets are open: try again later", RETRY_AFTER_S)
        self._connections += 1
        self.metrics.connections.inc()
        try:
            yield
        finally:
            self._connections -= 1
            self.metrics.connections.dec()
            self._changed.set()

    def new_folder(self) -> Path:
        """A folder for the files of one request."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    async def delete_expired(self, interval: float = 5.0) -> None:
        """Delete results in time, until cancelled."""
        while True:
            await asyncio.sleep(interval)
            await asyncio.to_thread(self.jobs.remove_expired)

    async def drain(self) -> None:
        """Take no new work, and wait for what runs, for the grace of the settings at most; then cancel it.

        The result of a clip that was running is waited for until it has been read, too.
        """
        self._stopped_at = self._clock()
        self.stopping.set()
        self.jobs.drop_waiting("the service was stopped before this clip was begun: send it again")
        try:
            async with asyncio.timeout(self.settings.grace):
                while self._is_busy():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        finally:  # also when a second signal cancels this: who follows a clip reads that it is cancelled
            await asyncio.to_thread(self.jobs.close)

    def close(self) -> None:
        """Cancel what still runs, and wait for it."""
        self.jobs.close()
        self.pool.shutdown(cancel_futures=True)

    def notify(self) -> None:
        """Something has ended; from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._changed.set)

    def _is_busy(self) -> bool:
        unread = [
            job for job in self.jobs.finished_since(self._stopped_at) if job.state is State.DONE and not job.fetched
        ]
        return bool(self._pictures or self._connections or self.jobs.unfinished or unread)

    def _refuse_when_stopping(self) -> None:
        if self.stopping.is_set():
            raise Refusal(503, _STOPPING, RETRY_AFTER_S)

    def _work(self, job: Job) -> None:
        try:
            process_clip(job, self.segmenter, self.settings)
        finally:
            self.metrics.frames.labels("clip").inc(job.figures["frames"])

    def _job_ended(self, state: State) -> None:
        self.metrics.jobs_ended.labels(str(state)).inc()
        self.notify()
